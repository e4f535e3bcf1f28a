import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { complete } from '../../../../qmp/client/shell/complete.js';
import { SchemaIndex } from '../../../../qmp/client/shell/schema.js';
import { generateSchema } from '../../../../qmp/schema.js';
import {
  alternate,
  bool,
  empty,
  enumeration,
  int,
  list,
  type ObjectType,
  optional,
  str,
  struct,
  union,
} from '../../../../src/qom/qapi.js';

const colour = enumeration('Colour', ['red', 'green', 'grey']);
const shape = union('Shape', { kind: enumeration('Kind', ['circle', 'square']), id: str }, 'kind', {
  circle: struct('Circle', { radius: int, colour }),
  square: struct('Square', { side: int }),
});
const command = (name: string, args: ObjectType) => ({ name, args, returns: empty, features: [], allowOob: false });
const schema = new SchemaIndex(
  generateSchema(
    [
      command(
        'paint',
        struct('paint', { colour, glossy: optional(bool), inner: struct('Inner', { colour, depth: int }) }),
      ),
      command('paint-all', struct('all', { colours: list(colour) })),
      command('draw', shape),
      command('wrap', struct('wrap', { shape, mode: alternate('Mode', [colour, bool, int]) })),
      command('stop', empty),
    ],
    [{ name: 'EVENT', data: empty }],
  ),
);

const completion = suite('shell completion');

for (const [left, word, candidates] of [
  ['', '', ['draw', 'paint', 'paint-all', 'stop', 'wrap']],
  ['  pa', 'pa', ['paint', 'paint-all']],
  ['x', 'x', []],
  ['stop ', '', []],
  ['nonesuch a', 'a', []],
  ['paint ', '', ['colour=', 'glossy=', 'inner.']],
  ['paint gl', 'gl', ['glossy=']],
  ['paint colour=red ', '', ['glossy=', 'inner.']],
  ['paint colour=', 'colour=', ['colour=red', 'colour=green', 'colour=grey']],
  ['paint colour=gr', 'colour=gr', ['colour=green', 'colour=grey']],
  ['paint glossy=', 'glossy=', ['glossy=true', 'glossy=false']],
  ['paint inner.', 'inner.', ['inner.colour=', 'inner.depth=']],
  ['paint inner.colour=re', 'inner.colour=re', ['inner.colour=red']],
  ['paint inner.depth=', 'inner.depth=', []],
  ['draw ', '', ['kind=', 'id=']],
  ['draw kind=circle ', '', ['id=', 'radius=', 'colour=']],
  ['draw kind=circle colour=', 'colour=', ['colour=red', 'colour=green', 'colour=grey']],
  ['wrap shape.kind=square shape.s', 'shape.s', ['shape.side=']],
  ['wrap mode=', 'mode=', ['mode=red', 'mode=green', 'mode=grey', 'mode=true', 'mode=false']],
  ['wrap other.', 'other.', []],
  ['paint-all colours=[', 'colours=[', []],
] as const) {
  completion(`'${left}' offers ${candidates.join(' ') || 'nothing'}`, () => {
    assert.equal(complete(schema, left), { word, candidates: [...candidates] });
  });
}

completion('whatever stands left of the cursor, candidates go on from its end', () => {
  const piece = fc.constantFrom(' ', '=', '.', 'paint', 'draw', 'kind=circle', 'inner', 'co', '"', '{', '\u{1f600}');
  fc.assert(
    fc.property(fc.string({ unit: piece }), (left) => {
      const { word, candidates } = complete(schema, left);
      assert.ok(left.endsWith(word));
      for (const candidate of candidates) assert.ok(candidate.startsWith(word));
    }),
    { numRuns: 1000 },
  );
});

completion('a schema that leads in circles or makes no sense is no harm', () => {
  const odd = new SchemaIndex([
    null,
    7,
    { name: 'c', 'meta-type': 'command', 'arg-type': 'u' },
    {
      name: 'u',
      'meta-type': 'object',
      tag: 't',
      members: [{ name: 't', type: 'a' }, 5],
      variants: [{ case: 'x', type: 'u' }],
    },
    { name: 'a', 'meta-type': 'alternate', members: [{ type: 'a' }, { type: 'gone' }] },
    { name: 'd', 'meta-type': 'command' },
  ]);
  assert.equal(complete(odd, '').candidates, ['c', 'd']);
  assert.equal(complete(odd, 'c t=').candidates, []);
  assert.ok(complete(odd, 'c t=x ').candidates.length === 0);
  assert.equal(complete(odd, 'd ').candidates, []);
});

completion.run();
