// The tab that plays: it is told what to do and says where it is. See captioner/review/audio/browser.py.
const at = (id) => document.getElementById(id);
const film = at("film"), sound = at("sound");
const tab = [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

let clip = { number: 0, duration: 0 };
let turn = 0, said = 0, hasFilm = false, enabled = false;
let now = null; // {element, base, start, end, loop}: what is being played, and the clip's time at the element's 0

const say = (why, more = {}) =>
  fetch("told", {
    method: "POST", keepalive: true, headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ tab, turn, said: ++said, why, ...more }),
  }).catch(() => {});

const place = () => (now ? Math.max(now.start, Math.min(now.base + now.element.currentTime, now.end)) : 0);
const tell = (why) => { draw(); if (now) say(why, { position: place() }); };
const state = (text) => { if (at("state").textContent !== text) at("state").textContent = text; };

function draw() {
  const here = place();
  at("place").max = clip.duration || 1;
  at("place").value = Math.max(0, here);
  at("time").textContent = `${here.toFixed(1)} of ${clip.duration.toFixed(1)} seconds`;
}

function halt() {
  for (const element of [film, sound]) element.pause();
}

function load(told) {
  halt();
  now = null;
  hasFilm = false;
  clip = told;
  film.hidden = true;
  film.removeAttribute("src");
  words(told.card);
  if (told.card.id) state("A clip is shown.");
  draw();
}

function words(card) {
  at("title").textContent = card.title || card.id || "No clip yet";
  document.title = card.id ? `${card.id} - captioner` : "captioner: listening";
  at("fields").replaceChildren(...card.fields.flatMap(([label, text]) => {
    const term = document.createElement("dt"), words = document.createElement("dd");
    term.textContent = label;
    words.textContent = text;
    return [term, words];
  }));
  at("notes").hidden = !card.notes.length;
  at("findings").replaceChildren(...card.notes.map((text) => {
    const item = document.createElement("li");
    item.textContent = text;
    return item;
  }));
}

function settings(told) {
  for (const element of [film, sound]) {
    element.preservesPitch = true;
    element.defaultPlaybackRate = element.playbackRate = told.speed;
  }
  if (now) {
    now.loop = told.loop;
    now.element.loop = told.loop && now.natural;
  }
  at("how").textContent = `${told.speed === 1 ? "" : `speed ${told.speed.toFixed(2)}`} ${told.loop ? "looping" : ""}`;
}

function play(told) {
  halt();
  // A whole clip comes from its film; any other stretch is a file of exactly those samples, so that it ends by itself.
  const tail = told.start >= 0 && Math.abs(told.end - clip.duration) < 0.001;
  const { start, end, loop } = told;
  if (hasFilm && tail) {
    now = { element: film, base: 0, start, end, loop, natural: start === 0 };
    film.muted = false;
    film.currentTime = start;
  } else {
    now = { element: sound, base: start, start, end, loop, natural: true };
    sound.src = `sound/${told.number}.wav?from=${start}&to=${end}`;
    if (hasFilm) {
      film.muted = true;
      film.loop = false;
      film.currentTime = Math.max(0, Math.min(start, clip.duration));
      film.play().catch(() => {});
    }
  }
  settings(told);
  now.element.play().then(
    () => { if (!enabled) allowed(); },
    (error) => {
      if (error.name !== "NotAllowedError") return;
      at("enable").hidden = false;
      state("Press Enable sound: the browser wants a click first.");
      say("denied");
    },
  );
}

function seek(moment) {
  if (now) {
    now.element.currentTime = Math.max(0, moment - now.base);
    if (now.element === sound && hasFilm) film.currentTime = Math.max(0, moment);
  } else if (hasFilm) {
    film.currentTime = Math.max(0, moment);
  }
  tell(now && !now.element.paused ? "playing" : "paused");
}

for (const element of [film, sound]) {
  const mine = (call) => () => { if (now && now.element === element) call(); };
  element.addEventListener("playing", mine(() => { state("Playing."); tell("playing"); }));
  element.addEventListener("timeupdate", mine(() => { if (!element.paused) tell("time"); }));
  element.addEventListener("pause", mine(() => { if (element.paused && !element.ended) tell("paused"); }));
  element.addEventListener("ended", mine(() => {
    if (now.loop) {
      element.currentTime = now.start - now.base;
      element.play();
      return;
    }
    film.pause();
    state("Stopped.");
    tell("ended");
  }));
}

function allowed() {
  enabled = true;
  at("enable").hidden = true;
  state("Sound is on.");
  say("enabled");
}

at("enable").addEventListener("click", async () => {
  // A click lets both elements play from now on: half a second of nothing for each.
  try {
    if (!now || now.element.paused) {
      now = null;
      sound.src = "nothing.wav";
      await sound.play();
      sound.pause();
      if (!hasFilm) {
        film.src = "nothing.wav";
        await film.play();
        film.pause();
        if (!hasFilm) film.removeAttribute("src");
      }
    }
  } catch { /* what counts is the click */ }
  allowed();
});

at("play").addEventListener("click", () => say("play"));
at("stop").addEventListener("click", () => say("stop"));

const obey = {
  clip: (told) => { load(told); settings(told); },
  film: (told) => {
    if (told.number !== clip.number) return;
    hasFilm = true;
    film.src = `film/${told.number}.mp4`;
    film.hidden = false;
    settings(told);
  },
  card: (told) => { if (told.number === clip.number) words(told.card); },
  play,
  stop: () => { halt(); state("Stopped."); draw(); },
  seek: (told) => seek(told.moment),
  set: settings,
  elsewhere: () => { halt(); events.close(); state("Another tab plays now; close this one or reload it."); },
};

addEventListener("pagehide", () => navigator.sendBeacon("told", JSON.stringify({ tab, turn, why: "gone" })));

const events = new EventSource(`events?tab=${tab}`);
events.addEventListener("message", (event) => {
  const told = JSON.parse(event.data);
  turn = told.turn;
  obey[told.do]?.(told);
});
events.addEventListener("error", () => state("The review is not reachable; is it still open?"));
events.addEventListener("open", () => { state("Connected."); if (enabled) say("enabled"); });
