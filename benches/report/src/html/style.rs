//! How the page looks.

/// Colours follow what the reader prefers; the layout follows the width.
pub const CSS: &str = "
:root {
  color-scheme: light dark;
  --paper: #fbfbf9; --card: #ffffff; --ink: #1c1e21; --soft: #5c6470; --line: #d9dce1;
  --own: #0b6e4f; --own-2: #57b894; --peer: #7b8794; --peer-2: #b4bdc7; --floor: #b5451f;
  --yes: #0b6e4f; --no: #b3261e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171a; --card: #1c2024; --ink: #e7e9ec; --soft: #9aa4b0; --line: #333940;
    --own: #43c59e; --own-2: #1f7a60; --peer: #8a95a3; --peer-2: #56606c; --floor: #ff8f66;
    --yes: #43c59e; --no: #ff8a80;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif;
}
main { max-width: 66rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.6rem; margin: 1rem 0 .5rem; }
h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; }
p { margin: .3rem 0; }
.note, small { color: var(--soft); font-size: .85rem; }
small { display: block; }
dl { margin: 0; }
dl div { display: flex; flex-wrap: wrap; gap: 0 1rem; padding: .35rem 0; border-top: 1px solid var(--line); }
dt { flex: 0 0 11rem; color: var(--soft); }
dd { flex: 1 1 16rem; margin: 0; overflow-wrap: anywhere; }
.plots {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(min(24rem, 100%), 1fr)); gap: 1rem;
  align-items: start;
}
figure {
  margin: 0; min-width: 0; padding: 1rem; background: var(--card); border: 1px solid var(--line); border-radius: .5rem;
}
figcaption { font-weight: 600; margin-bottom: .5rem; }
figcaption span { font-weight: 400; color: var(--soft); font-size: .85rem; margin-left: .5rem; }
svg { display: block; width: 100%; height: auto; }
svg text { font: 12px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; fill: var(--ink); }
svg .soft { fill: var(--soft); }
svg .grid { stroke: var(--line); stroke-width: 1; }
svg .own { fill: var(--own); } svg .own-2 { fill: var(--own-2); }
svg .peer { fill: var(--peer); } svg .peer-2 { fill: var(--peer-2); }
svg .range { stroke: var(--ink); stroke-width: 1; opacity: .7; }
svg .floor { stroke: var(--floor); stroke-width: 1.5; stroke-dasharray: 5 3; fill: none; }
svg text.floor-name { fill: var(--floor); }
svg .invalid { text-decoration: line-through; fill: var(--no); }
details { margin-top: .5rem; }
summary { cursor: pointer; color: var(--soft); font-size: .9rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem .35rem 0; border-top: 1px solid var(--line); }
thead th { border-top: 0; color: var(--soft); font-weight: 500; white-space: nowrap; }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
tr.yes td:last-child { color: var(--yes); font-weight: 600; }
tr.no td:last-child { color: var(--no); font-weight: 600; }
tr.unknown { color: var(--soft); }
@media (max-width: 36rem) {
  main { padding: .6rem; } figure { padding: .6rem; } dt { flex-basis: 100%; }
  td small { max-width: 11rem; }
}
";
