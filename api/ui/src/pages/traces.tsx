import { Title } from "../base/parts";

export default function Traces() {
  return <div class="page"><Title text="Traces" /></div>;
}
