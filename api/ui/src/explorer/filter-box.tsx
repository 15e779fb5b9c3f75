// The filters as chips, and the box that makes them in three steps: field, relation, value.
import { useEffect, useRef, useState } from "preact/hooks";
import { Icon, Outside } from "../base/text";
import { FIELDS, hasValue, partsOf, problemOf, type Filter } from "./filters";
import { filterOfDraft, stepOf, useOptions, type Draft, type Option } from "./suggest";

function Chip({ filter, onEdit, onRemove }: { filter: Filter; onEdit: () => void; onRemove: () => void }) {
  const { field, relation, value } = partsOf(filter);
  return (
    <li class="chip">
      <button type="button" class="chip-text" onClick={onEdit} title="Change this filter">
        <Outside text={field} most={60} /> {relation}{!hasValue(filter.relation) ? null : <> <b><Outside text={value} most={60} /></b></>}
      </button>
      <button type="button" class="chip-x" onClick={onRemove} aria-label={`Remove the filter ${field} ${relation} ${value}`}><Icon name="x" /></button>
    </li>
  );
}

function Options({ options, active, onPick }: { options: Option[]; active: number; onPick: (option: Option) => void }) {
  const list = useRef<HTMLUListElement>(null);
  useEffect(() => { list.current?.children[active]?.scrollIntoView({ block: "nearest" }); }, [active]);
  return (
    <ul class="options" id="filter-options" role="listbox" aria-label="Suggestions" ref={list}>
      {options.map((option, i) => (
        // The press must not take the focus from the box.
        <li key={option.id} id={`filter-option-${i}`} role="option" aria-selected={i === active} onMouseDown={(event) => event.preventDefault()}
          onClick={() => onPick(option)}>
          {option.isOutside ? <Outside text={option.label} most={80} /> : <span>{option.label}</span>}
          <span class="quiet">{option.hint}</span>
        </li>
      ))}
    </ul>
  );
}

const HINTS = { field: "Field", relation: "Relation", value: "Value" };

export interface FilterBoxProps {
  filters: Filter[];
  onChange: (filters: Filter[]) => void;
  /** A filter that the server refused, and why. */
  refusal: { index: number; sentence: string } | null;
}

export function FilterBox({ filters, onChange, refusal }: FilterBoxProps) {
  const [draft, setDraft] = useState<Draft>({});
  const [text, setText] = useState("");
  const [problem, setProblem] = useState("");
  const [isOpen, setOpen] = useState(false);
  const [active, setActive] = useState(-1);
  const input = useRef<HTMLInputElement>(null);
  const step = stepOf(draft);
  const { options, isWhole } = useOptions(draft, text, isOpen);
  const [isEager, setEager] = useState(false); // Enter came before the suggestions did
  const shown = draft.replaces === undefined ? filters : filters.filter((_, i) => i !== draft.replaces);

  const go = (next: Draft, value = "", sentence = "") => {
    setDraft(next);
    setText(value);
    setProblem(sentence);
    setActive(-1);
    setEager(false);
  };
  const takeBack = (index: number, sentence = "") => {
    const { value = "", ...rest } = filters[index]!;
    // Of "exists" and "is absent" there is no value to change, so that the relation is.
    const { relation: _, ...bare } = rest;
    go({ ...(hasValue(rest.relation) ? rest : bare), replaces: index }, value, sentence);
    if (!sentence) input.current?.focus();
  };
  useEffect(() => { if (refusal && filters[refusal.index]) takeBack(refusal.index, refusal.sentence); }, [refusal?.index, refusal?.sentence]);

  const finish = (made: Draft, value: string) => {
    const filter = filterOfDraft(made, value);
    const sentence = problemOf(filter);
    if (sentence) { setProblem(sentence); return; }
    onChange(made.replaces === undefined ? [...filters, filter] : filters.map((old, i) => i === made.replaces ? filter : old));
    go({});
    input.current?.focus();
    setOpen(false); // so that the results can be seen
  };
  const pick = (option: Option) => {
    const keeps = draft.replaces === undefined ? {} : { replaces: draft.replaces };
    if (option.value !== undefined) finish(draft, option.value);
    else if (option.draft?.relation && !hasValue(option.draft.relation)) finish({ ...option.draft, ...keeps }, "");
    else go({ ...option.draft, ...keeps });
  };
  /** One step back; from the first step the last chip comes back, and one that came back goes. */
  const back = () => {
    if (step === "value") {
      const { relation: _, ...rest } = draft;
      go(FIELDS[draft.field!].relations.length === 1 ? keepsOf(draft) : rest);
    } else if (step === "relation") go(keepsOf(draft));
    else if (draft.replaces !== undefined) {
      onChange(shown);
      go({});
    } else if (filters.length > 0) takeBack(filters.length - 1);
  };
  const enter = () => {
    const chosen = options[active];
    if (chosen) pick(chosen);
    else if (step === "value") finish(draft, text);
    else if (text !== "" && isWhole && options[0]) pick(options[0]);
    else if (text !== "" && !isWhole) setEager(true);
  };
  useEffect(() => { if (isEager && isWhole) { setEager(false); enter(); } }, [isEager, isWhole]);
  const onKeyDown = (event: KeyboardEvent) => {
    const last = options.length - 1;
    if (event.key === "ArrowDown") { setOpen(true); setActive(active >= last ? 0 : active + 1); }
    else if (event.key === "ArrowUp") { setOpen(true); setActive(active <= 0 ? last : active - 1); }
    else if (event.key === "Enter") enter();
    else if (event.key === "Escape") { if (isOpen && options.length) setOpen(false); else go({}); }
    else if (event.key === "Backspace" && text === "") back();
    else return;
    event.preventDefault();
  };
  const before = draft.field ? partsOf({ ...draft, field: draft.field, relation: draft.relation ?? "is" }) : null;
  const prefix = before ? `${before.field}${draft.relation ? ` ${draft.relation}` : ""}` : "";
  const isListed = isOpen && options.length > 0;
  return (
    <div class="field filter-field folds">
      <div class={`filter-box${problem ? " bad" : ""}`} onClick={(event) => { if (event.target === event.currentTarget) input.current?.focus(); }}>
        {shown.length ? (
          <ul class="chips" aria-label="Filters">
            {shown.map((filter) => {
              const index = filters.indexOf(filter);
              return <Chip key={index} filter={filter} onEdit={() => takeBack(index)}
                onRemove={() => { onChange(filters.filter((_, i) => i !== index)); go({}); }} />;
            })}
          </ul>
        ) : null}
        {prefix ? <span class="filter-prefix"><Outside text={prefix} most={80} /></span> : null}
        <input id="filter-input" ref={input} role="combobox" autocomplete="off" spellcheck={false} value={text} aria-autocomplete="list"
          aria-expanded={isListed} aria-controls="filter-options" aria-activedescendant={isListed && active >= 0 ? `filter-option-${active}` : undefined}
          aria-label={prefix ? `${HINTS[step]} of the filter ${prefix}` : "Add a filter"} aria-invalid={problem !== ""}
          aria-describedby={problem ? "filter-problem" : undefined} placeholder={prefix ? HINTS[step] : "Add a filter"}
          onFocus={() => setOpen(true)} onClick={() => setOpen(true)} onBlur={() => setOpen(false)} onKeyDown={onKeyDown}
          onInput={(event) => { setText(event.currentTarget.value); setProblem(""); setActive(-1); setEager(false); setOpen(true); }} />
        {isListed ? <Options options={options} active={active} onPick={pick} /> : null}
      </div>
      {problem ? <p id="filter-problem" class="problem" role="alert"><Outside text={problem} /></p> : null}
    </div>
  );
}

const keepsOf = (draft: Draft): Draft => draft.replaces === undefined ? {} : { replaces: draft.replaces };
