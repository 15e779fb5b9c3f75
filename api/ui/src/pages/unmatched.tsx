import { Title } from "../base/parts";

export default function Unmatched() {
  return <div class="page"><Title text="Unmatched" /></div>;
}
