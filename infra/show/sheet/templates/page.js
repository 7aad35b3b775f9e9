const $ = (id) => document.getElementById(id);
const CHUNK = 96; // cards that are drawn at once, as they are scrolled to

class Sheet {
  constructor(data) {
    Object.assign(this, data);
    this.classFilter = -1;
    this.focused = 0;
    this.order = [];
    const names = new Intl.Collator("en", { numeric: true });
    this.sorters = {
      doubt: (a, b) => a - b, // the order in which they came
      low: (a, b) => this.confidence(a) - this.confidence(b) || a - b,
      high: (a, b) => this.confidence(b) - this.confidence(a) || a - b,
      name: (a, b) => names.compare(this.fullName(this.images[a]), this.fullName(this.images[b])) || a - b,
    };
    this.searchable = this.images.map((image) => this.fullName(image).toLowerCase());
    this.corrections = new Corrections(this.sheet, () => this.corrected());
    this.details = new Details(this);
    this.listen();
    this.drawHistogram();
    $("layout").hidden = false;
    this.arrange();
    this.drawBar();
  }

  imageAt(place) { return this.images[this.order[place]]; }
  objectOf(image) { return this.objects[image.object]; }
  fileOf(image) {
    const file = this.objectOf(image).shown.split("/").at(-1);
    return file === image.name.shown ? "" : file;
  }
  fullName(image) { return `${this.objectOf(image).shown} ${image.name.shown}`; }
  confidence(index) { return this.images[index].percent ?? -1; }
  predicted(image) { return image.predicted >= 0 ? this.classes[image.predicted].name.shown : ""; }
  choices() { return this.classes.map((each, place) => [each.name.shown, String(place)]); }
  describe(image) { return [image.name.shown, this.predicted(image)].filter(Boolean).join(", "); }
  rightOf(image) { return this.corrections.of(raw(this.objectOf(image)), raw(image.name)); }

  rightShown(image) {
    const right = this.rightOf(image);
    if (right === undefined) return "";
    return right === "" ? NONE : this.classes.find((each) => raw(each.name) === right)?.name.shown ?? right;
  }

  choiceOf(image) {
    const right = this.rightOf(image);
    if (right === undefined) return "predicted";
    return right === "" ? "none" : String(this.classes.findIndex((each) => raw(each.name) === right));
  }

  correct(image, choice) {
    const isPredicted = choice === "predicted" || Number(choice) === image.predicted;
    const name = choice === "none" ? "" : isPredicted ? null : raw(this.classes[Number(choice)].name);
    this.corrections.correct(raw(this.objectOf(image)), raw(image.name), name);
  }

  listen() {
    const arrange = () => this.arrange();
    $("search").addEventListener("input", arrange);
    $("show").addEventListener("change", arrange);
    $("sort").addEventListener("change", arrange);
    $("tools").addEventListener("submit", (event) => event.preventDefault());
    $("reset").addEventListener("click", () => this.reset());
    $("undo").addEventListener("click", () => this.corrections.undo());
    $("save").addEventListener("click", () => this.corrections.save());
    $("grid").addEventListener("keydown", (event) => this.move(event));
    $("grid").addEventListener("click", (event) => {
      const card = event.target.closest(".card");
      if (card) this.openAt(Number(card.dataset.place));
    });
    $("grid").addEventListener("focusin", (event) => this.rove(Number(event.target.dataset.place)));
    new IntersectionObserver(([entry]) => entry.isIntersecting && this.drawMore(CHUNK), { rootMargin: "1200px" }).observe($("more"));
    addEventListener("beforeprint", () => this.drawMore(Infinity));
    addEventListener("beforeunload", (event) => !this.corrections.isKept && this.corrections.classes.size && event.preventDefault());
  }

  reset() {
    this.classFilter = -1;
    $("search").value = "";
    $("show").value = "all";
    this.arrange();
    $("grid").querySelector(".card")?.focus();
  }

  isShown(index) {
    const image = this.images[index];
    const show = $("show").value;
    if (this.classFilter >= 0 && image.predicted !== this.classFilter) return false;
    if (show === "doubtful" && !marksOf(image).length) return false;
    if (show === "corrected" && this.rightOf(image) === undefined) return false;
    if (["rejected", "unfamiliar", "unsure"].includes(show) && !marksOf(image).includes(show)) return false;
    return this.searchable[index].includes($("search").value.trim().toLowerCase());
  }

  arrange() {
    this.order = this.images.map((_, index) => index).filter((index) => this.isShown(index)).sort(this.sorters[$("sort").value]);
    this.focused = 0;
    $("grid").replaceChildren();
    this.drawMore(CHUNK);
    const [shown, all] = [this.order.length.toLocaleString("en"), this.images.length.toLocaleString("en")];
    $("count").textContent = shown === all ? `${all} shown` : `${shown} of ${all} shown`;
    $("none").hidden = this.order.length > 0;
    for (const bar of $("histogram").children) bar.setAttribute("aria-pressed", Number(bar.dataset.place) === this.classFilter);
  }

  drawMore(count) {
    const start = $("grid").children.length;
    const end = Math.min(this.order.length, start + count);
    const items = document.createDocumentFragment();
    for (let place = start; place < end; place++) items.append(this.drawItem(place));
    $("grid").append(items);
    if (end < this.order.length && $("more").getBoundingClientRect().top < innerHeight + 1200) {
      requestAnimationFrame(() => $("grid").children.length === end && this.drawMore(CHUNK));
    }
  }

  drawItem(place) {
    const image = this.imageAt(place);
    const item = element("li");
    item.setAttribute("aria-setsize", this.order.length);
    item.setAttribute("aria-posinset", place + 1);
    const card = drawCard(image, this.fileOf(image), this.predicted(image), this.rightShown(image));
    card.dataset.place = place;
    if (place === this.focused) card.tabIndex = 0;
    item.append(card);
    return item;
  }

  cardAt(place) {
    if (place >= $("grid").children.length) this.drawMore(place + 1 - $("grid").children.length);
    return $("grid").children[place]?.firstChild;
  }

  rove(place) {
    const before = this.cardAt(this.focused);
    if (before) before.tabIndex = -1;
    this.focused = place;
    this.cardAt(place).tabIndex = 0;
  }

  move(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const columns = getComputedStyle($("grid")).gridTemplateColumns.split(" ").length;
    const last = this.order.length - 1;
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
    const place = { Home: 0, End: last }[event.key] ?? (by === undefined ? -1 : this.focused + by);
    if (by === undefined && place < 0) return;
    event.preventDefault();
    if (place >= 0 && place <= last) this.cardAt(place).focus();
  }

  openAt(place) {
    this.rove(place);
    this.details.open(place);
  }

  returnTo(place) {
    this.cardAt(place)?.focus();
  }

  corrected() {
    for (const item of [...$("grid").children]) {
      const place = Number(item.firstChild.dataset.place);
      const isStale = item.firstChild.querySelector(".right")?.textContent.slice(2) ?? "";
      if (isStale !== this.rightShown(this.imageAt(place))) item.replaceWith(this.drawItem(place));
    }
    this.drawBar();
  }

  drawBar() {
    const count = this.corrections.classes.size;
    const hadFocus = $("bar").contains(document.activeElement);
    $("corrected").textContent = `${count.toLocaleString("en")} correction${count === 1 ? "" : "s"}`;
    $("kept").textContent = this.corrections.isKept ? "kept in this browser" : "not kept: save them before you leave";
    $("bar").hidden = !this.corrections.steps.length;
    document.body.classList.toggle("has-bar", !$("bar").hidden);
    $("save").disabled = !count;
    if (hadFocus && $("bar").hidden) this.cardAt(this.focused)?.focus();
  }

  drawHistogram() {
    const largest = Math.max(1, ...this.classes.map((each) => each.count));
    this.classes.forEach(({ name, count }, place) => {
      if (!count) return;
      const bar = element("button", "bar-of-class");
      bar.type = "button";
      bar.dataset.place = place;
      const part = element("span", "part");
      part.style.width = `${(100 * count) / largest}%`;
      bar.append(element("bdi", "", name.shown), element("span", "number", count.toLocaleString("en")), part);
      bar.addEventListener("click", () => {
        this.classFilter = this.classFilter === place ? -1 : place;
        this.arrange();
      });
      $("histogram").append(bar);
    });
  }
}

new Sheet(JSON.parse($("data").textContent));
