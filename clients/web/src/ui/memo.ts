/** Skip drawing a component whose properties are all the same objects as before. */

import { Component, h, type ComponentChild, type FunctionComponent } from "preact";

export function memo<P extends object>(draw: (props: P) => ComponentChild): FunctionComponent<P> {
  class Memo extends Component<P> {
    override shouldComponentUpdate(next: Readonly<P>): boolean {
      const before = this.props as Readonly<Record<string, unknown>>;
      const names = Object.keys(next);
      return names.length !== Object.keys(before).length || names.some((name) => before[name] !== (next as Readonly<Record<string, unknown>>)[name]);
    }
    render(props: P): ComponentChild {
      return h(draw as FunctionComponent<P>, props as P & preact.Attributes);
    }
  }
  return Memo as unknown as FunctionComponent<P>;
}
