import {Component, h, type ComponentType} from 'preact';

/** Draws anew only when a property has changed. */
export function memo<P extends object>(inner: ComponentType<P>): ComponentType<P> {
  return class extends Component<P> {
    shouldComponentUpdate(next: P): boolean {
      return (Object.keys({...next, ...this.props}) as (keyof P)[]).some((key) => next[key] !== this.props[key]);
    }
    render() {
      return h(inner, this.props as P);
    }
  };
}
