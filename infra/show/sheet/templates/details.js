// The dialog that shows one image at a time. `sheet` offers the images in their order, and takes corrections.
class Details {
  constructor(sheet) {
    this.sheet = sheet;
    this.dialog = $("details");
    const choice = $("details-class");
    choice.append(new Option("", "predicted"), new Option(NONE, "none"));
    this.sheet.choices().forEach(([label, place]) => choice.append(new Option(label, place)));
    choice.addEventListener("change", () => this.choose(choice.value));
    $("previous").addEventListener("click", () => this.step(-1));
    $("next").addEventListener("click", () => this.step(1));
    $("close").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    this.dialog.addEventListener("close", () => this.sheet.returnTo(this.place));
    this.dialog.addEventListener("keydown", (event) => {
      if (event.target === choice || event.altKey || event.ctrlKey || event.metaKey) return;
      if (event.key === "ArrowLeft") this.step(-1);
      if (event.key === "ArrowRight") this.step(1);
    });
  }

  open(place) {
    this.place = place;
    this.draw();
    this.dialog.showModal();
    const first = this.image.error ? $("next") : $("details-class");
    first.focus();
  }

  step(by) {
    const place = this.place + by;
    if (place < 0 || place >= this.sheet.order.length) return;
    this.place = place;
    this.draw();
  }

  get image() {
    return this.sheet.imageAt(this.place);
  }

  choose(value) {
    this.sheet.correct(this.image, value);
    this.draw();
  }

  draw() {
    const { image, sheet } = this;
    $("details-picture").replaceChildren(drawPicture(image, sheet.describe(image)));
    $("details-name").textContent = image.name.shown;
    $("details-object").textContent = sheet.objectOf(image).shown;
    $("details-answer").textContent = image.error ? "" : `${sheet.predicted(image)} · ${percent(image)}`;
    $("details-marks").replaceChildren(...drawMarks(image));
    $("details-note").textContent = image.note ?? "";
    $("details-reason").textContent = [image.error, image.missing].filter(Boolean).join(" ");
    $("details-label").hidden = Boolean(image.error);
    const choice = $("details-class");
    choice.options[0].text = image.error ? "" : `As predicted: ${sheet.predicted(image)}`;
    choice.value = sheet.choiceOf(image);
    $("details-place").textContent = `${(this.place + 1).toLocaleString("en")} of ${sheet.order.length.toLocaleString("en")}`;
    $("previous").disabled = this.place === 0;
    $("next").disabled = this.place === sheet.order.length - 1;
  }
}
