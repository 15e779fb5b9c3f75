// What was said: lines with what each answer took, which tools ran, and where it was broken off. Times are the call's own.
import { get } from "../base/api";
import { duration, offset } from "../base/format";
import { Loading, Problem, useLoaded } from "../base/parts";
import { hidesSensitive } from "../base/settings";
import { Outside } from "../base/text";
import { Value } from "../base/value";
import { HideSensitive } from "../waterfall/attributes";
import { decode, type WireTimeline } from "../waterfall/decode";
import { answersOf, linesOfTurns, pairTools, toolRuns, type Line, type ToolRun } from "../waterfall/said";

interface Entry { role: string; text: string; startOffsetMs?: number; startTimestamp?: string }
/** Parameters and result as they were sent: JSON as text. */
export interface Tool { name: string; parameters: string; result: string | null; startOffsetMs?: number; startTimestamp?: string }

const ONE_LINE = 160; // characters of a value that needs no block of its own

function Inline({ text, name }: { text: string; name: string }) {
  return text.length <= ONE_LINE && !text.includes("\n") ? <Outside class="mono" text={text} /> : <div class="tool-value"><Value text={text} name={name} /></div>;
}

function ToolLine({ tool, run, page }: { tool: Tool | null; run: ToolRun | null; page: string }) {
  return (
    <><b class="quiet">tool</b>
      <div class="row tool-line"><Outside class="mono" text={tool?.name ?? run!.name} />
        {!tool ? null : hidesSensitive.value ? <span class="quiet">hidden</span> : <><Inline text={tool.parameters} name="the parameters" />
          {tool.result === null ? null : <><span class="quiet">gave</span><Inline text={tool.result} name="the result" /></>}</>}</div>
      {run ? <span class="row line-end">{run.isFailed ? <span class="error-text">{"\u2715"} error</span> : null}<span>{run.isOpen ? "> " : ""}{duration(run.length)}</span>
        <a href={`${page}/tracing?span=${run.spanId}`}>Open span</a></span> : null}</>
  );
}

function SaidLine({ line, page }: { line: Line; page: string }) {
  const { answer } = line;
  return (
    <><b>{line.isAgent ? "Agent" : "User"}</b>
      <div><p class="reading">{hidesSensitive.value ? <span class="quiet">hidden</span> : <Outside text={line.text} lines />}</p>
        {answer?.isInterrupted ? <p class="quiet">(user interrupted here)</p> : null}</div>
      {answer ? <span class="row line-end quiet">{answer.afterNs === null ? answer.outcome : `answered after ${duration(answer.afterNs)}`} <a href={`${page}/tracing?turn=${answer.turn}`}>Open turn</a></span> : null}</>
  );
}

export function Transcript({ base, page, zeroMs, tools }: { base: string; page: string; zeroMs: number; tools: Tool[] }) {
  const loaded = useLoaded(`${base}/transcript`, (abort) => get<{ entries: Entry[] }>(`${base}/transcript`, abort));
  const spans = useLoaded(`${base}/timeline`, async (abort) => decode(await get<WireTimeline>(`${base}/timeline`, abort), Date.now()));
  if (loaded.failure && !loaded.data) return <Problem failure={loaded.failure} again={loaded.again} />;
  if (!loaded.data || (!spans.data && !spans.failure)) return <Loading what="Loading the transcript" />;
  const at = (one: { startOffsetMs?: number; startTimestamp?: string }): number => (one.startOffsetMs ?? (one.startTimestamp ? Date.parse(one.startTimestamp) - zeroMs : 0)) * 1e6;
  const own: Line[] = loaded.data.entries.map((entry) => ({ at: at(entry), isAgent: entry.role === "AGENT", text: entry.text, answer: null }));
  const turns = spans.data?.turns ?? [];
  const isBuilt = own.length === 0;
  const said = isBuilt ? linesOfTurns(turns) : answersOf(own, turns);
  const used = pairTools(tools.map((tool) => ({ ...tool, at: at(tool) })), spans.data ? toolRuns(spans.data) : []);
  const lines = [...said.map((line) => ({ at: line.at, line, tool: null })), ...used.map((tool) => ({ at: tool.at, line: null, tool }))].sort((a, b) => a.at - b.at);
  if (said.length === 0 && tools.length === 0) return <p class="empty">This {page.startsWith("/chats") ? "chat" : "call"} has no transcript, and its spans hold no words. <a href={`${page}/tracing`}>Tracing</a> shows what they are.</p>;
  return (
    <div class="stack">
      {spans.failure ? <Problem failure={spans.failure} again={spans.again} /> : null}
      <div class="row spread">{isBuilt && said.length ? <p class="note">No transcript was sent. This one is built from the spans, at most 240 bytes of each turn.</p> : <span />}<HideSensitive /></div>
      <ol class="transcript">
        {lines.map((one, index) => <li key={index} class="transcript-line"><span class="mono quiet">{offset(one.at, 1e8)}</span>
          {one.line ? <SaidLine line={one.line} page={page} /> : <ToolLine tool={one.tool!.told} run={one.tool!.run} page={page} />}</li>)}
      </ol>
    </div>
  );
}
