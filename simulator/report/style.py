"""The page's style sheet for light and dark, desktop, phone and paper; a module, so that it is installed with the code."""

CSS = """
:root {
  color-scheme: light dark;
  --paper: #fefefe; --wash: #f4f6fa; --ink: #1b1f2a; --muted: #5b6474; --line: #d9dee7; --quiet: #aab3c2;
  --main: #b9560d; --ensemble: #0f6fb3; --gone: #c22f47; --fresh: #0a7d5e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171e; --wash: #1d222c; --ink: #e9ecf2; --muted: #a1abbd; --line: #323a48; --quiet: #657084;
    --main: #f0a35e; --ensemble: #63b3ed; --gone: #ff7d8f; --fresh: #4cc9a0;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", "DejaVu Sans", Arial, sans-serif;
  font-variant-numeric: tabular-nums;
}
main, header, footer, nav ul { max-width: 54rem; margin-inline: auto; padding-inline: 1.25rem; }
header { padding-top: 3rem; }
.kicker { margin: 0; color: var(--muted); font-size: .84rem; letter-spacing: .06em; text-transform: uppercase; }
h1 { margin: .2rem 0 1rem; font-size: clamp(1.9rem, 5vw, 2.7rem); line-height: 1.12; letter-spacing: -.02em; overflow-wrap: anywhere; }
h2 { margin: 0 0 .5rem; font-size: 1.4rem; line-height: 1.25; letter-spacing: -.01em; }
h3 { margin: 1.6rem 0 .3rem; font-size: 1rem; }
p { margin: .5rem 0; max-width: 40rem; }
.verdict { border-left: .35rem solid; padding: .3rem .9rem; margin: 0 0 1.4rem; max-width: none; overflow-wrap: anywhere; }
.lead { font-size: 1.12rem; line-height: 1.55; max-width: 44rem; }
.note { color: var(--muted); font-size: .9rem; }
section { padding-top: 2.8rem; }
nav { position: sticky; top: 0; z-index: 2; background: var(--paper); border-bottom: 1px solid var(--line); margin-top: 1.8rem; }
nav ul {
  display: flex; flex-wrap: wrap; gap: .3rem 1.15rem; list-style: none; margin-block: 0;
  padding-block: .55rem; overflow-x: auto; white-space: nowrap;
}
nav a { color: var(--muted); text-decoration: none; font-size: .88rem; }
nav a:hover, nav a:focus-visible { color: var(--ensemble); }
section[id] { scroll-margin-top: 1rem; }
.figures {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: 1px; margin: 1.6rem 0 0; padding: 0;
  border: 1px solid var(--line); border-radius: .6rem; overflow: hidden;
}
.figures div { box-shadow: 0 0 0 1px var(--line); padding: .85rem 1rem .75rem; }
.figures dt { color: var(--muted); font-size: .8rem; line-height: 1.3; }
.figures dd { margin: .15rem 0 0; font-size: 1.45rem; font-weight: 650; line-height: 1.25; letter-spacing: -.01em; }
.figures dd span { font-size: .95rem; font-weight: 400; letter-spacing: 0; white-space: nowrap; }
.figures small { display: block; color: var(--muted); font-size: .8rem; font-weight: 400; letter-spacing: 0; line-height: 1.35; }
figure { margin: 1rem 0 0; }
figcaption { color: var(--muted); font-size: .88rem; margin-top: .35rem; max-width: 42rem; }
svg { display: block; width: 100%; height: auto; }
svg text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", "DejaVu Sans", Arial, sans-serif; }
.narrow { display: none; }
.events { list-style: none; margin: 1rem 0 0; padding: 0; columns: 2 20rem; column-gap: 2rem; }
.events > li { display: grid; grid-template-columns: 1.7rem 1fr; gap: .55rem; break-inside: avoid; padding: .3rem 0; font-size: .94rem; }
.events ul { margin: 0; padding: 0; list-style: none; }
.mark {
  width: 1.55rem; height: 1.55rem; border-radius: 50%; background: var(--muted); color: var(--paper); font-size: .78rem; font-weight: 650;
  display: grid; place-items: center; margin-top: .05rem;
}
.mark.forgets { background: var(--gone); }
.round { color: var(--muted); font-size: .84rem; }
.scroll {
  overflow-x: auto; margin-top: .8rem; border: 1px solid var(--line); border-radius: .6rem;
  width: max-content; min-width: 100%; max-width: min(72rem, 100vw - 3rem); position: relative; left: 50%; transform: translateX(-50%);
}
table { border-collapse: collapse; width: 100%; font-size: .88rem; }
th, td { padding: .42rem .7rem; text-align: right; white-space: nowrap; border-top: 1px solid var(--line); }
thead th { border-top: 0; color: var(--muted); font-weight: 500; vertical-align: bottom; white-space: normal; line-height: 1.25; }
th:first-child, td:first-child, .text { text-align: left; }
tbody th { font-weight: 500; } td.text { white-space: normal; min-width: 6rem; }
tr.group th { background: var(--wash); text-align: left; font-weight: 650; padding-block: .55rem; white-space: normal; }
tr.group span { font-weight: 400; color: var(--muted); }
.many { font-size: .8rem; } .many th, .many td { padding-inline: .4rem; white-space: normal; }
tr.aside td, tr.aside th { color: var(--muted); }
.none { color: var(--muted); font-size: .92em; }
.chip {
  display: inline-block; border-radius: 1rem; padding: .05rem .6rem; border: 1px solid; font-size: .82rem; font-weight: 600;
  white-space: normal;
}
.good { color: var(--fresh); } .bad { color: var(--gone); } .open { color: var(--muted); }
tr.group .chip { font-weight: 600; } tr.group .chip.good { color: var(--fresh); } tr.group .chip.bad { color: var(--gone); }
.mix { display: inline-flex; align-items: flex-end; gap: 1px; height: 1.3rem; vertical-align: middle; }
.mix i { display: block; width: .42rem; min-height: 1px; background: var(--ensemble); opacity: .85; }
.checks { list-style: none; padding: 0; } .checks li { padding: .15rem 0 .15rem 1.6rem; position: relative; }
.checks li::before { position: absolute; left: 0; content: "\\2713"; color: var(--fresh); font-weight: 700; }
.checks li.failed::before { content: "\\2717"; color: var(--gone); }
pre, code { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
pre { margin: .8rem 0 0; padding: 1rem; background: var(--wash); border-radius: .6rem; overflow: auto; font-size: .82rem; }
code { font-size: .86em; overflow-wrap: anywhere; }
dl.terms { display: grid; grid-template-columns: minmax(8rem, auto) 1fr; gap: .35rem 1.2rem; font-size: .92rem; }
dl.terms dt { font-weight: 600; } dl.terms dd { margin: 0; }
footer { margin-top: 3.5rem; padding-block: 1.2rem 3rem; border-top: 1px solid var(--line); color: var(--muted); font-size: .85rem; }
@media (max-width: 40rem) {
  header { padding-top: 1.8rem; }
  main, header, footer, nav ul { padding-inline: 1rem; }
  .wide { display: none; } .narrow { display: block; }
  .figures { grid-template-columns: 1fr 1fr; } nav ul { flex-wrap: nowrap; }
  .lead { font-size: 1.04rem; }
  dl.terms { grid-template-columns: 1fr; gap: 0; } dl.terms dd { margin-bottom: .6rem; }
  tr.group th > div { position: sticky; left: .7rem; max-width: calc(100vw - 4rem); }
}
@media print {
  @page { size: A4; margin: 16mm 15mm; }
  :root {
    color-scheme: light;
    --paper: #fff; --wash: #f4f6fa; --ink: #000; --muted: #4a5261; --line: #cfd5df; --quiet: #9aa4b5;
    --main: #b9560d; --ensemble: #0f6fb3; --gone: #c22f47; --fresh: #0a7d5e;
  }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  html { font-size: 10pt; } body { font-size: 1rem; line-height: 1.45; }
  .figures { grid-template-columns: repeat(4, 1fr); } nav { display: none; } header { padding-top: 0; }
  main, header, footer { max-width: none; padding-inline: 0; }
  section { padding-top: 1.4rem; }
  h2, h3, thead { break-after: avoid; } figure, tr, .figures, .checks li { break-inside: avoid; }
  .wide { display: block; } .narrow { display: none; }
  .scroll { overflow: visible; border: 0; } table { font-size: 7.6pt; } th, td { padding: .25rem .3rem; white-space: normal; }
  pre { white-space: pre-wrap; overflow: visible; font-size: 7.5pt; }
}
"""
