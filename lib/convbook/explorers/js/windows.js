// Where windows go along an axis of pixels.

// How many zeros stand before and after `size` pixels; where their number is odd, the extra one goes after.
export function paddingOf(size, window, stride, padding) {
  const total = padding === "same" ? Math.max((Math.ceil(size / stride) - 1) * stride + window - size, 0) : 0;
  return [Math.floor(total / 2), Math.ceil(total / 2)];
}

// The padding before and after, and for each place of a window the first pixel that it reads and the one behind the
// last, the padding left out.
export function slidingSpans(size, window, stride, padding) {
  const [before, after] = paddingOf(size, window, stride, padding);
  const count = Math.max(Math.floor((before + size + after - window) / stride) + 1, 0);
  const spans = Array.from({ length: count }, (_, place) => {
    const start = place * stride - before;
    return [Math.max(start, 0), Math.min(start + window, size)];
  });
  return { before, after, spans };
}
