// In place of the camera and the microphone: a synthetic person who does what the page asks.
// PERFORMANCE: {sprites: {rest, left, right, eyes, phrase}: pictures, sound: 16-bit samples}, base64.

(() => {
  const FPS = 15;
  const REACTION_MS = 350;
  const { sprites, sound } = window.PERFORMANCE;

  async function pictures(addresses) {
    const load = async (address) => {
      const image = new Image();
      image.src = address;
      await image.decode();
      return image;
    };
    return Promise.all(addresses.map(load));
  }

  function camera(drawn) {
    const canvas = document.createElement("canvas");
    canvas.width = 640;
    canvas.height = 480;
    const context = canvas.getContext("2d");
    let shown = "";
    let since = performance.now();
    setInterval(() => {
      const step = document.getElementById("enrol-box")?.dataset.step ?? "";
      if (step !== shown) [shown, since] = [step, performance.now()];
      const at = Math.floor(((performance.now() - since - REACTION_MS) * FPS) / 1000);
      const acted = drawn[shown];
      const rest = drawn.rest[Math.floor((performance.now() * FPS) / 1000) % drawn.rest.length];
      const picture = shown !== "rest" && acted && at >= 0 && at < acted.length ? acted[at] : rest;
      if (shown === "phrase" && at >= 0) window.dispatchEvent(new Event("speak"));
      context.fillStyle = "#6a6f72";
      context.fillRect(0, 0, 640, 480);
      context.drawImage(picture, 80, 0, 480, 480);
    }, 1000 / FPS);
    return canvas.captureStream(FPS).getVideoTracks()[0];
  }

  async function microphone() {
    const context = new AudioContext();
    const samples = new Int16Array(Uint8Array.from(atob(sound), (one) => one.charCodeAt(0)).buffer);
    const buffer = context.createBuffer(1, samples.length, 16000);
    buffer.copyToChannel(Float32Array.from(samples, (one) => one / 32768), 0);
    const out = context.createMediaStreamDestination();
    await context.resume();
    const speak = () => {
      const source = new AudioBufferSourceNode(context, { buffer });
      source.connect(out);
      source.start();
    };
    window.addEventListener("speak", speak, { once: true });
    return out.stream.getAudioTracks()[0];
  }

  navigator.mediaDevices.getUserMedia = async () => {
    const entries = Object.entries(sprites).map(async ([name, addresses]) => [name, await pictures(addresses)]);
    const drawn = Object.fromEntries(await Promise.all(entries));
    // Before the first click a page may make no sound, and is told so on the console.
    const heard = navigator.userActivation.hasBeenActive ? [await microphone()] : [];
    return new MediaStream([camera(drawn), ...heard]);
  };
})();
