import { expect, test } from "vitest";
import { ceiling, number } from "./plots";

test("axes end at round numbers", () => {
  expect([0, 0.97, 1, 3.1, 17, 1201].map(ceiling)).toEqual([1, 1, 1, 4, 20, 1500]);
  expect([0, 0.123, 9.999, 12.6, 12_345].map(number)).toEqual(["0", "0.12", "10", "13", "12,345"]);
});
