import { Chardev } from './chardev.js';

/** Takes everything, gives nothing: types `null` and, as no display is built in, `vc`. */
export class NullChardev extends Chardev {
  protected override acquire(): void {
    this.setConnected(true);
  }

  protected override release(): void {}

  protected override send(): boolean {
    return true;
  }
}
