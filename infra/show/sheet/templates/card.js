const NONE = "None of these";

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

const raw = (name) => name.raw ?? name.shown;
const percent = (image) => `${image.percent.toFixed(1)}%`;

function marksOf(image) {
  const marks = [];
  if (image.error) marks.push("rejected");
  if (image.unfamiliar) marks.push("unfamiliar");
  if (image.unsure) marks.push("unsure");
  return marks;
}

function drawMarks(image) {
  return marksOf(image).map((mark) => element("span", `mark ${mark}`, mark));
}

function drawPicture(image, alternative) {
  if (!image.source) {
    const none = element("span", "no-picture", image.error ? "No image" : "Not shown");
    none.title = image.missing;
    return none;
  }
  const picture = element("img", image.crisp ? "crisp" : "");
  picture.alt = alternative;
  picture.src = image.source;
  picture.decoding = "async";
  return picture;
}

// One image on the grid: a button that opens its details. `right` is the class that it was corrected to, as it is shown.
function drawCard(image, predicted, right) {
  const card = element("button", right ? "card corrected" : "card");
  card.type = "button";
  card.tabIndex = -1;
  const frame = element("span", "frame");
  frame.append(drawPicture(image, ""));
  const marks = element("span", "marks");
  marks.append(...drawMarks(image));
  frame.append(marks);
  const line = element("span", "line");
  line.append(element("bdi", "class", image.error ? "Rejected" : predicted));
  if (!image.error) line.append(element("span", "percent", percent(image)));
  card.append(frame, line);
  if (!image.error) {
    const meter = element("span", "meter");
    const part = element("span");
    part.style.width = percent(image);
    meter.append(part);
    card.append(meter);
  }
  if (right) card.append(element("bdi", "right", `→ ${right}`));
  if (image.note) card.append(element("bdi", "note", image.note));
  const name = element("bdi", "name", image.name.shown);
  name.title = image.name.shown;
  card.append(name);
  card.setAttribute("aria-label", [
    image.name.shown,
    image.error ? "" : `${predicted}, ${percent(image)}`,
    ...marksOf(image),
    right ? `corrected to ${right}` : "",
    image.note,
    image.source ? "" : "image not shown",
  ].filter(Boolean).join("; "));
  return card;
}
