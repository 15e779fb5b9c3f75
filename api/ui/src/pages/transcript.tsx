// What was said: lines with what each answer took, and where it was broken off. Times are the call's own.
import { get } from "../base/api";
import { duration, offset } from "../base/format";
import { Loading, Problem, useLoaded } from "../base/parts";
import { Outside } from "../base/text";
import { Value } from "../base/value";
import { decode, type WireTimeline } from "../waterfall/decode";
import { answersOf, linesOfTurns, type Line } from "../waterfall/said";

interface Entry { role: string; text: string; startOffsetMs?: number; startTimestamp?: string }
export interface Tool { name: string; parameters: unknown; result: unknown; startOffsetMs?: number; startTimestamp?: string }

function ToolLine({ tool }: { tool: Tool }) {
  return (
    <><b class="quiet">tool</b><div class="stack"><Outside class="mono" text={tool.name} /><Value text={JSON.stringify(tool.parameters ?? null)} name="the parameters" />
      <Value text={typeof tool.result === "string" ? tool.result : JSON.stringify(tool.result ?? null)} name="the result" /></div></>
  );
}

function SaidLine({ line, page }: { line: Line; page: string }) {
  const { answer } = line;
  return (
    <><b>{line.isAgent ? "Agent" : "User"}</b>
      <div class="stack"><p class="reading"><Outside text={line.text} lines /></p>
        {answer ? <p class="row quiet">{answer.afterNs === null ? answer.outcome : `answered after ${duration(answer.afterNs)}`} <a href={`${page}/tracing?turn=${answer.turn}`}>Open turn</a></p> : null}
        {answer?.isInterrupted ? <p class="quiet">(user interrupted here)</p> : null}</div></>
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
  const lines = [...said.map((line) => ({ at: line.at, line, tool: null })), ...tools.map((tool) => ({ at: at(tool), line: null, tool }))].sort((a, b) => a.at - b.at);
  if (lines.length === 0) return <p class="empty">This {page.startsWith("/chats") ? "chat" : "call"} has no transcript, and its spans hold no words. <a href={`${page}/tracing`}>Tracing</a> shows what they are.</p>;
  return (
    <div class="stack">
      {isBuilt && said.length ? <p class="note">No transcript was sent. This one is built from the spans, at most 240 bytes of each turn.</p> : null}
      <ol class="transcript">
        {lines.map((one, index) => <li key={index} class="transcript-line"><span class="mono quiet">{offset(one.at, 1e8)}</span>{one.line ? <SaidLine line={one.line} page={page} /> : <ToolLine tool={one.tool!} />}</li>)}
      </ol>
    </div>
  );
}
