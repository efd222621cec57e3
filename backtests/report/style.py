"""The page's one style sheet: paper-like, quiet, light and dark, and set for print."""

from __future__ import annotations

from typing import Final

CSS: Final = """
:root{--paper:#fbfaf7;--card:#fff;--ink:#1d2327;--soft:#59636b;--faint:#dedbd3;--hair:#e9e6df;
--accent:#14595f;--second:#b3702a;--third:#6a5a93;--good:#2c6e49;--bad:#a63d2f;
--warn-bg:#fdf3dc;--warn-ink:#6b4a06;--fill:#14595f1f;--quiet:#9db0ae;color-scheme:light dark}
@media (prefers-color-scheme:dark){:root{--paper:#14181b;--card:#1a2024;--ink:#e4e6e3;
--soft:#9ca6ab;
--faint:#3a4247;--hair:#2b3236;--accent:#6fc0bd;--second:#e0a565;--third:#b4a3e0;--good:#7cc79a;
--bad:#ea8f80;--warn-bg:#3a2f14;--warn-ink:#f0d38b;--fill:#6fc0bd2b;--quiet:#5d7076}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);
font:16px/1.6 "Charter","Bitstream Charter","Source Serif Pro","Georgia","DejaVu Serif",serif}
main{max-width:860px;margin:0 auto;padding:56px 32px 96px}
h1,h2,h3,.num,table,.legend,.badge,nav,svg text,.kicker{
font-family:"Inter","Helvetica Neue","Segoe UI","Arial","DejaVu Sans",sans-serif}
h1{font-size:34px;line-height:1.2;font-weight:600;letter-spacing:-.015em;margin:6px 0 10px}
h2{font-size:21px;line-height:1.3;font-weight:600;letter-spacing:-.005em;margin:72px 0 10px;
padding-top:18px;border-top:2px solid var(--ink)}
h3{font-size:15px;font-weight:600;margin:34px 0 6px}
p{margin:0 0 14px;max-width:68ch}
a{color:var(--accent)}
.kicker{font-size:13px;letter-spacing:.08em;text-transform:uppercase;color:var(--soft);margin:0}
.soft{color:var(--soft)}.small{font-size:14px}
.good{color:var(--good)}.bad{color:var(--bad)}
.badge{display:inline-block;font-size:12px;font-weight:600;letter-spacing:.04em;padding:3px 10px;
border-radius:3px;background:var(--warn-bg);color:var(--warn-ink);vertical-align:3px;
margin-left:8px}
.ribbon{background:var(--warn-bg);color:var(--warn-ink);text-align:center;padding:7px 16px;
font:600 13px/1.5 "Inter","Helvetica Neue","Segoe UI",Arial,"DejaVu Sans",sans-serif}
.alarm{border-left:4px solid var(--bad);background:var(--card);padding:12px 18px;margin:18px 0}
nav{font-size:13px;margin:22px 0 0;line-height:2}
nav a{color:var(--soft);text-decoration:none;border-bottom:1px solid var(--faint);
margin-right:18px;
white-space:nowrap}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(225px,1fr));gap:0 28px;
margin:26px 0 20px;padding:0}
.figures div{border-top:1px solid var(--faint);padding:12px 0 10px}
.figures dt{font-size:13px;color:var(--soft);line-height:1.4}
.figures dd{margin:2px 0 0}
.num{font-size:25px;font-weight:600;letter-spacing:-.01em;font-variant-numeric:tabular-nums;
overflow-wrap:anywhere;line-height:1.25}
.figures small{display:block;color:var(--soft);font-size:13px;line-height:1.45}
.lead{font-size:19px;line-height:1.55}
ul.notes{padding-left:20px;max-width:70ch}ul.notes li{margin-bottom:9px}
figure{margin:20px 0 26px}
figcaption{font-size:14px;line-height:1.5;color:var(--soft);max-width:72ch;margin-top:6px}
.scroll{overflow-x:auto;margin:16px 0 22px}
table{border-collapse:collapse;width:100%;font-size:13.5px;line-height:1.45;
font-variant-numeric:tabular-nums}
caption{text-align:left;font-family:inherit;color:var(--soft);padding:0 0 8px;font-size:13.5px}
th{font-weight:600;text-align:left;vertical-align:bottom;border-bottom:1px solid var(--ink);
padding:6px 14px 6px 0}
td{padding:6px 14px 6px 0;border-bottom:1px solid var(--hair);vertical-align:top}
th.r,td.r{text-align:right;white-space:nowrap}th:last-child,td:last-child{padding-right:0}
table.dense{font-size:12.5px}table.dense td:not(.id){white-space:nowrap}
tr.sum td,tr.sum th{font-weight:600;border-top:1px solid var(--ink);border-bottom:none}
tbody th{font-weight:500;border-bottom:1px solid var(--hair)}
td.id{overflow-wrap:break-word}
.sharebar{display:inline-block;width:64px;height:7px;background:var(--hair);border-radius:1px;
margin-left:8px;vertical-align:1px}.sharebar i{display:block;height:7px;background:var(--accent);
border-radius:1px}
.legend{font-size:13px;color:var(--soft);margin:10px 0 -8px}.legend span{margin-right:20px}
.key{display:inline-block;width:12px;height:12px;border-radius:2px;margin-right:6px;
vertical-align:-1px}
.key.s0{background:var(--accent)}.key.s1{background:var(--second)}.key.s2{background:var(--third)}
svg.chart{width:100%;height:auto;display:block;overflow:visible}
svg text{font-size:11.5px;fill:var(--soft);font-variant-numeric:tabular-nums}
svg .name,svg .value{font-size:13px;fill:var(--ink)}svg .strong{font-weight:600}
svg .marklabel{font-size:12px;fill:var(--ink)}svg .cutlabel{font-size:10.5px}
.grid{stroke:var(--hair)}.zero,.axis{stroke:var(--soft)}.cut{stroke:var(--soft);
stroke-dasharray:2 4}
.mark{stroke:var(--ink);stroke-dasharray:4 3}.join{stroke:var(--faint)}
.line{fill:none;stroke-width:1.8;stroke-linejoin:round}
.line.s0{stroke:var(--accent)}.line.s1{stroke:var(--second)}.line.s2{stroke:var(--third)}
.dot.s0,.fill.s0{fill:var(--accent)}.dot.s1,.fill.s1{fill:var(--second)}
.dot.s2,.fill.s2{fill:var(--third)}.fill.q0{fill:var(--faint)}.fill.q1{fill:var(--quiet)}.fill.q2{fill:var(--accent)}
.key.q0{background:var(--faint)}.key.q1{background:var(--quiet)}.key.q2{background:var(--accent)}
.area.s0{fill:var(--fill)}
.bar.gain{fill:var(--good)}.bar.loss{fill:var(--bad)}.bar.total{fill:var(--accent)}
details{margin:14px 0}summary{cursor:pointer;font-weight:600;font-size:15px}
pre{font:12.5px/1.55 "SF Mono","Menlo","Consolas","DejaVu Sans Mono",monospace;
background:var(--card);
border:1px solid var(--hair);padding:14px 16px;overflow-x:auto;margin:12px 0}
code{font:13px "SF Mono","Menlo","Consolas","DejaVu Sans Mono",monospace;overflow-wrap:anywhere}
footer{margin-top:72px;border-top:1px solid var(--faint);padding-top:14px;font-size:13.5px;
color:var(--soft)}
@media (max-width:560px){main{padding:30px 18px 60px}h1{font-size:27px}h2{margin-top:52px}
.lead{font-size:17px}.scrollchart{overflow-x:auto}.scrollchart svg.chart{min-width:560px}
.figures{grid-template-columns:1fr 1fr;gap:0 18px}.num{font-size:20px}}
@media print{:root{--paper:#fff;--card:#fff;--ink:#000;--soft:#444;--accent:#14595f;
--second:#b3702a;
--third:#6a5a93;--good:#2c6e49;--bad:#a63d2f;--faint:#ccc;--hair:#ddd;--warn-bg:#fff;
--warn-ink:#000}
body{font-size:10.5pt}main{max-width:none;padding:0}nav{display:none}h2,h3,.legend,caption{break-after:avoid}h2{
margin-top:34px}figure,tr,.figures div{break-inside:avoid}thead{display:table-header-group}
.scroll{overflow:visible}a{color:inherit;text-decoration:none}.ribbon{border:1px solid #000}
@page{margin:18mm 16mm}}
"""
