/** How strong the colours of the heat map are, as background and text; from 1 to 5. Every pair is readable: at least 4.5 to 1. */
type Scale = readonly (readonly [background: string, text: string])[]

const GAINS: Scale = [
  ['#e3f4ee', '#12202c'],
  ['#b5e2d0', '#12202c'],
  ['#7cc8ab', '#12202c'],
  ['#0f7a5c', '#ffffff'],
  ['#095842', '#ffffff'],
]
const LOSSES: Scale = [
  ['#fdebe6', '#12202c'],
  ['#f8c9bc', '#12202c'],
  ['#ef9d88', '#12202c'],
  ['#b93a1f', '#ffffff'],
  ['#8a2512', '#ffffff'],
]
const DARK_GAINS: Scale = [
  ['#14302a', '#e8eef4'],
  ['#164639', '#e8eef4'],
  ['#17604b', '#ffffff'],
  ['#37a583', '#0b1117'],
  ['#6fd9b5', '#0b1117'],
]
const DARK_LOSSES: Scale = [
  ['#381f1b', '#e8eef4'],
  ['#572a22', '#e8eef4'],
  ['#7d3426', '#ffffff'],
  ['#e57f66', '#0b1117'],
  ['#ffae99', '#0b1117'],
]

function heat(gains: Scale, losses: Scale): string {
  const rules = (letter: string, scale: Scale) =>
    scale.map(([background, text], i) => `.heat .${letter}${i + 1}{background:${background};color:${text}}`)
  return [...rules('g', gains), ...rules('l', losses)].join('\n')
}

const LIGHT = `color-scheme:light;--page:#f4f6f8;--card:#ffffff;--text:#12202c;--soft:#52616f;--line:#d9e0e6;--grid:#e6ebef;
--accent:#1f5fbf;--gain:#0b7a58;--loss:#b3361b;--base:#8896a3;--mark:#8a5a00`
const DARK = `color-scheme:dark;--page:#0b1117;--card:#141c24;--text:#e8eef4;--soft:#a3b1be;--line:#2a3642;--grid:#22303b;
--accent:#7db0ff;--gain:#5bd0a8;--loss:#ff9178;--base:#6d7d8b;--mark:#f0b755`

/** The style of the page. Nothing moves on it, so nothing has to stop for those who asked for less motion. */
export const STYLE = `
:root{${LIGHT}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--text);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;
-webkit-text-size-adjust:100%}
header,main,footer{max-width:70rem;margin:0 auto;padding:0 1rem}
header{padding-top:1.75rem}
h1{margin:0;font-size:1.75rem;line-height:1.2;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{margin:0 0 .25rem;font-size:1.125rem;line-height:1.3}
h3{margin:1.25rem 0 .25rem;font-size:1rem}
p{margin:.25rem 0}
.period{color:var(--soft);margin-top:.25rem}
.facts{display:flex;flex-wrap:wrap;gap:.25rem 1.5rem;margin:.75rem 0 0;font-size:.875rem}
.facts div{display:flex;gap:.4rem;min-width:0}
.facts dt,.soft,.tiles dt,.tiles .note{color:var(--soft)}
.facts dd{margin:0;overflow-wrap:anywhere}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(13.5rem,1fr));gap:.75rem;margin:1.25rem 0 1rem}
.tiles>div,section,.warnings{background:var(--card);border:1px solid var(--line);border-radius:.6rem}
.tiles>div{padding:.7rem .9rem;min-width:0}
.tiles dt{font-size:.8125rem}
.tiles dd{margin:0;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
.tiles .value{font-size:1.375rem;font-weight:650;line-height:1.35}
.tiles .note{font-size:.8125rem}
.gain{color:var(--gain)}
.loss{color:var(--loss)}
.warnings{border-left:.3rem solid var(--mark);padding:.7rem 1rem;margin:0 0 1rem}
.warnings ul{margin:.25rem 0 0;padding-left:1.2rem}
section{padding:1rem 1.1rem;margin:0 0 1rem;min-width:0}
.pair{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:0 1rem;align-items:start}
.soft{font-size:.875rem}
.empty{padding:1.25rem;margin:.5rem 0 0;border:1px dashed var(--line);border-radius:.4rem;color:var(--soft)}
figure{margin:.5rem 0 0}
.plot{position:relative;height:19rem}
.pair .plot{height:16rem}
.plot.low{height:12rem}
canvas{display:block;max-width:100%}
canvas:focus-visible,summary:focus-visible,.scroll:focus-visible{outline:3px solid var(--accent);outline-offset:2px;border-radius:.2rem}
details{margin-top:.6rem;font-size:.875rem}
summary{cursor:pointer;color:var(--accent);width:fit-content;padding:.25rem 0}
.scroll{overflow-x:auto;margin-top:.5rem;position:relative}
.scroll.long{max-height:22rem;overflow-y:auto}
table{border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums;width:100%}
th,td{padding:.32rem .6rem;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line)}
th{font-weight:600}
thead th{color:var(--soft);vertical-align:bottom}
th:first-child,.t{text-align:left}
tbody th{font-weight:500;position:sticky;left:0;background:var(--card)}
.long thead th{position:sticky;top:0;background:var(--card);z-index:1}
.figures th[scope=row]{white-space:normal;overflow-wrap:anywhere;min-width:8rem}
.name{display:inline-block;max-width:16rem;white-space:normal;overflow-wrap:break-word}
.figures td{vertical-align:baseline}
small{display:block;font-size:.8125rem;font-weight:400;color:var(--soft)}
.none{color:var(--soft)}
.heat table{border-collapse:separate;border-spacing:2px}
.heat th,.heat td{border:0;padding:.4rem .45rem;border-radius:.25rem}
.heat td{text-align:center;min-width:3.5rem}
.heat thead th{text-align:center}
.heat .total{font-weight:650}
.heat .g0,.heat .l0{background:var(--grid)}
.key{display:flex;flex-wrap:wrap;gap:.2rem;list-style:none;margin:.6rem 0 0;padding:0;font-size:.8125rem}
.key li{padding:.15rem .5rem;border-radius:.25rem}
.hidden{position:absolute;width:1px;height:1px;margin:-1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
footer{color:var(--soft);font-size:.8125rem;padding-bottom:2rem}
${heat(GAINS, LOSSES)}
@media (max-width:46rem){.pair{grid-template-columns:minmax(0,1fr)}}
@media (max-width:30rem){
header,main,footer{padding:0 .6rem}
header{padding-top:1.1rem}
h1{font-size:1.4rem}
section{padding:.8rem .7rem}
.tiles{grid-template-columns:repeat(2,minmax(0,1fr));gap:.5rem}
.tiles>div{padding:.55rem .65rem}
.tiles .value{font-size:1.15rem}
.plot,.pair .plot{height:14rem}
.plot.low{height:10rem}
.name{max-width:8rem}
}
@media screen and (prefers-color-scheme:dark){
:root{${DARK}}
${heat(DARK_GAINS, DARK_LOSSES)}
}
@media print{
@page{margin:12mm}
body{background:#fff;font-size:10pt;-webkit-print-color-adjust:exact;print-color-adjust:exact}
header,main,footer{max-width:none;padding:0}
section,.tiles>div,.plot,tr{break-inside:avoid}
section.whole{break-inside:auto}
h2,h3{break-after:avoid}
details:not([open]){display:none}
.scroll{overflow:visible}
.heat td{min-width:0}
.heat th,.heat td{padding:.25rem .2rem;font-size:8pt}
table{font-size:8pt}
th,td{padding:.15rem .3rem}
}
`
