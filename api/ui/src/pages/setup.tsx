import { Title } from "../base/parts";

export default function Setup() {
  return <div class="page"><Title text="Setup" /></div>;
}
