import type { JsonObject } from '../system/json.js';
/** TEMP */
export function backendFromText(text: string): JsonObject {
  if (text.startsWith('unix:')) { const [path='', ...r]=text.slice(5).split(','); return {type:'socket',data:{addr:{type:'unix',data:{path}},server:r.includes('server=on'),wait:!r.includes('wait=off')}}; }
  if (text === 'mon:stdio') return {type:'mux',data:{chardev:'x'}};
  if (text.startsWith('file:')) return {type:'file',data:{out:text.slice(5)}};
  return {type: text.split(':')[0] ?? '', data:{}};
}
