// What answers are drawn with.

// An element with properties and children; a child that is text stays text.
export function tag(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

export function percent(share) {
  const shown = 100 * share;
  if (shown > 99.9 && share < 1) return ">\u202f99.9\u00a0%";
  if (shown < 0.1 && share > 0) return "<\u202f0.1\u00a0%";
  return `${shown.toFixed(1)}\u00a0%`;
}

// A picture as the model sees it.
export function picture({ name, url }, resize) {
  const ways = { crop: "its middle square", pad: "all of it, with grey at the sides", stretch: "all of it, made square" };
  const image = tag("img", { src: url, alt: "The picture" });
  const frame = tag("div", { className: `seen ${resize}` }, image);
  image.addEventListener("error", () => image.replaceWith(tag("p", {}, "This browser cannot show the picture.")));
  return tag("figure", {}, frame, tag("figcaption", {}, name, tag("br"), `The model sees ${ways[resize]}.`));
}

// Bars of probabilities; a mark stands where a label begins to hold.
export function chart(shares, chosen, thresholds) {
  return tag("ul", { className: "bars" }, ...shares.map(({ label, share }) => {
    const bar = tag("i");
    bar.style.width = `${100 * share}%`;
    const track = tag("div", { className: "track", ariaHidden: "true" }, bar);
    const least = thresholds?.[label];
    let said = percent(share);
    if (least !== undefined) {
      const mark = tag("u");
      mark.style.left = `${100 * least}%`;
      track.append(mark);
      said = `${percent(share)} (from ${percent(least)})`;
    }
    const row = tag("li", {}, tag("span", {}, label), tag("span", {}, said), track);
    if (chosen.includes(label)) row.className = "chosen";
    return row;
  }));
}

// A grid of values over a picture: orange where covering lowers the probability, blue where it raises it.
export function heat(grid) {
  const side = grid.length, most = Math.max(1e-9, ...grid.flat().map(Math.abs));
  const small = tag("canvas", { width: side, height: side });
  const pixels = small.getContext("2d").createImageData(side, side);
  grid.flat().forEach((value, place) => {
    const colour = value > 0 ? [255, 120, 0] : [40, 110, 255];
    pixels.data.set([...colour, Math.round(190 * Math.min(1, Math.abs(value) / most))], 4 * place);
  });
  small.getContext("2d").putImageData(pixels, 0, 0);
  const canvas = tag("canvas", { width: 240, height: 240, ariaHidden: "true" });
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(small, 0, 0, 240, 240);
  return canvas;
}
