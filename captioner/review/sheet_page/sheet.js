// Decisions filled in on an exported page, saved as JSON that `captioner decide` takes.
const clips = [...document.querySelectorAll("article")];
const status = document.getElementById("status");
let unsaved = false;

const decision = (clip) => clip.querySelector("input[type=radio]:checked")?.value ?? "";
const reason = (clip) => clip.querySelector("input.reason").value.trim();

function row(clip) {
  const fields = {};
  for (const field of clip.querySelectorAll("textarea")) {
    if (field.value !== field.defaultValue) fields[field.name] = field.value;
  }
  const decided = decision(clip) !== clip.dataset.decision || reason(clip) !== clip.dataset.reason;
  if (!decided && !Object.keys(fields).length) return null;
  const made = { clip: clip.id, fields, was: JSON.parse(clip.dataset.was) };
  return decided ? { ...made, decision: decision(clip) || "todo", reason: reason(clip) } : made;
}

function told() {
  const changed = clips.filter((clip) => {
    const is = row(clip) !== null;
    clip.classList.toggle("changed", is);
    return is;
  }).length;
  status.textContent = `${changed} of ${clips.length} clips changed${unsaved ? ", not saved yet" : ""}`;
}

document.addEventListener("input", (event) => {
  if (!event.target.closest("article")) return;
  unsaved = true;
  told();
});

document.addEventListener("play", (event) => {  // one at a time
  for (const audio of document.querySelectorAll("audio")) if (audio !== event.target) audio.pause();
}, true);

document.getElementById("save").addEventListener("click", () => {
  const rows = clips.map(row).filter(Boolean);
  const data = JSON.stringify({ sheet: 1, dataset: document.body.dataset.dataset, rows }, null, 1);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([data], { type: "application/json" }));
  link.download = `${document.body.dataset.dataset || "dataset"}-decisions.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  unsaved = false;
  told();
});

addEventListener("beforeunload", (event) => { if (unsaved) event.preventDefault(); });
told();
