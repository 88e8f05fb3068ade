/** The page's icons: one path each on a 24 px grid, drawn in the colour of the text. Decorative: names stand beside them. */

const PATHS = {
  plus: "M12 5v14M5 12h14",
  hand: "M6 3.500l5.500 15 2.200-6.300 6.300-2.200z",
  stop: "M7 7h10v10H7z",
  play: "M8 5.5v13l10.5-6.5z",
  pause: "M8 5.5v13M16 5.5v13",
  again: "M4 12a8 8 0 1 0 2.5-5.8M4 4.5v4h4",
  history: "M12 7.5V12l3 2M4 12a8 8 0 1 0 2.5-5.8M4 4.5v4h4",
  link: "M10 14a4 4 0 0 0 5.7 0l3-3a4 4 0 0 0-5.7-5.7l-1 1M14 10a4 4 0 0 0-5.7 0l-3 3A4 4 0 0 0 11 18.700l1-1",
  share: "M12 15V4M8 7.500L12 3.500l4 4M6 11.500v8h12v-8",
  chevron: "M9 6l6 6-6 6",
  left: "M15 6l-6 6 6 6",
  menu: "M4 7h16M4 12h16M4 17h16",
  search: "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM20 20l-4-4",
  tool: "M14.500 6.500a4 4 0 0 0-5 5L4 17l3 3 5.500-5.500a4 4 0 0 0 5-5L15 12l-3-3z",
  thought: "M9 18h6M10 21h4M12 3a6 6 0 0 0-3.500 10.900V15h7v-1.100A6 6 0 0 0 12 3z",
  check: "M5 12.500l4.500 4.500L19 7.500",
  cross: "M6.500 6.500l11 11M17.500 6.500l-11 11",
  dash: "M6 12h12",
  clock: "M12 7.500V12l3 2M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16z",
  down: "M12 5v14M6 13l6 6 6-6",
  up: "M12 19V5M6 11l6-6 6 6",
  save: "M12 4v11M7 11l5 5 5-5M5 20h14",
  theme: "M12 20a8 8 0 1 0 0-16zM12 4v16a8 8 0 0 1 0-16z",
  list: "M8 6h12M8 12h12M8 18h12M4 6h.01M4 12h.01M4 18h.01",
  alert: "M12 9v4M12 16.500h.01M10.700 4.500L3 18a1.500 1.500 0 0 0 1.300 2.200h15.400A1.500 1.500 0 0 0 21 18L13.300 4.500a1.500 1.500 0 0 0-2.600 0z",
  box: "M4 8l8-4 8 4v8l-8 4-8-4zM4 8l8 4 8-4M12 12v8",
  help: "M9.500 9.500a2.500 2.500 0 1 1 3.500 2.300c-.700.400-1 .900-1 1.700M12 16.500h.01M12 20.500a8.500 8.500 0 1 0 0-17 8.500 8.500 0 0 0 0 17z",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  const filled = name === "stop" || name === "play";
  return (
    <svg class={filled ? "icon filled" : "icon"} viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
