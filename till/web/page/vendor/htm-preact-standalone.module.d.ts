// Types of the vendored module, for `tsc --checkJs` only.
import type { VNode, ComponentChild, ContainerNode } from 'preact';
export { h, render, Component, createContext } from 'preact';
export type { VNode, ComponentChild, ContainerNode } from 'preact';
export * from 'preact/hooks';
export declare const html: (strings: TemplateStringsArray, ...values: any[]) => VNode;
