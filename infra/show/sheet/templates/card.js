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
    return element("span", "no-picture", image.error || image.missing || "Not shown");
  }
  const picture = element("img", image.crisp ? "crisp" : "");
  picture.alt = alternative;
  picture.src = image.source;
  picture.decoding = "async";
  return picture;
}

// One image on the grid: a button that opens its details. `file` is the name of its object, if that has several images, and
// `right` the class that it was corrected to, both as they are shown.
function drawCard(image, file, predicted, right) {
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
  const name = element("span", "name");
  name.append(element("bdi", "", image.name.shown));
  if (file) name.append(" in ", element("bdi", "", file));
  name.title = name.textContent;
  card.append(name);
  card.setAttribute("aria-label", [
    name.textContent,
    image.error ? "" : `${predicted}, ${percent(image)}`,
    ...marksOf(image),
    right ? `corrected to ${right}` : "",
    image.note,
    image.source ? "" : "image not shown",
  ].filter(Boolean).join("; "));
  return card;
}
