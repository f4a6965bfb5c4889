export { LAYOUT, type Layout, type LayoutService } from './layout.ts';
