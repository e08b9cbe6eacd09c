/// The page at `/docs`: lists the models, shows what they take, sends a request and shows the
/// answer. It holds everything it needs, and reads the rest from `/openapi.json`.
enum DocsPage {
    static func html(nonce: String) -> [UInt8] {
        Array(
            """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>Apus</title>
            <link rel="icon" href="data:,">
            <style nonce="\(nonce)">\(style)</style>
            </head>
            <body>
            \(body)
            <script nonce="\(nonce)">\(script)</script>
            </body>
            </html>

            """.utf8)
    }

    private static let style = """

        :root { color-scheme: light dark; --line: light-dark(#ccc, #444); --soft: light-dark(#f4f4f4, #222);
          --mark: light-dark(#0b57d0, #8ab4f8); }
        body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 70rem; padding: 1rem; }
        main { display: grid; grid-template-columns: minmax(10rem, 16rem) 1fr; gap: 2rem; }
        nav ul { list-style: none; padding: 0; }
        nav a { display: block; padding: .25rem .5rem; border-radius: .25rem; color: inherit; }
        nav a[aria-current] { background: var(--soft); font-weight: 600; }
        :focus-visible { outline: 2px solid var(--mark); outline-offset: 1px; }
        table { border-collapse: collapse; margin-bottom: 1rem; }
        th, td { text-align: left; padding: .25rem .75rem; border-bottom: 1px solid var(--line); }
        textarea, pre { width: 100%; box-sizing: border-box; font: 13px/1.4 ui-monospace, monospace;
          background: var(--soft); color: inherit; border: 1px solid var(--line); border-radius: .25rem;
          padding: .5rem; }
        pre { overflow: auto; max-height: 24rem; white-space: pre-wrap; overflow-wrap: anywhere; }
        button { font: inherit; padding: .4rem 1.2rem; }
        @media (max-width: 40rem) { main { grid-template-columns: 1fr; } }

        """

    private static let body = """
        <h1>Apus</h1>
        <p>The models of this server. The same for tools: <a href="/openapi.json">openapi.json</a>.</p>
        <main>
        <nav aria-label="Models"><ul id="models"></ul></nav>
        <section aria-live="polite">
        <h2 id="title">Loading…</h2>
        <div id="detail" hidden>
        <table><thead><tr><th>tensor</th><th>datatype</th><th>shape</th></tr></thead>
        <tbody id="tensors"></tbody></table>
        <p><label for="request">Request, POST <code id="path"></code></label></p>
        <textarea id="request" rows="14" spellcheck="false"></textarea>
        <p><button id="send" type="button">Send</button> <span>or Ctrl+Enter</span>
        <strong id="status" role="status"></strong></p>
        <pre id="answer" tabindex="0" aria-label="Answer"></pre>
        </div>
        </section>
        </main>
        <details><summary>All routes</summary><table><tbody id="routes"></tbody></table></details>
        """

    private static let script = """

        "use strict";
        const at = id => document.getElementById(id);
        const cells = (...texts) => {
          const row = document.createElement("tr");
          for (const text of texts) row.append(Object.assign(document.createElement("td"), {textContent: text}));
          return row;
        };
        let models = new Map();

        function show(name) {
          const model = models.get(name);
          for (const link of at("models").querySelectorAll("a")) {
            if (link.dataset.name === name) link.setAttribute("aria-current", "true");
            else link.removeAttribute("aria-current");
          }
          at("detail").hidden = !model;
          if (!model) { at("title").textContent = `No model "${name}" serves`; return; }
          at("title").textContent = `${name}, version ${model.info.versions.join(", ")}`;
          at("tensors").replaceChildren(
            ...model.info.inputs.map(t => cells("input " + t.name, t.datatype, JSON.stringify(t.shape))),
            ...model.info.outputs.map(t => cells("output " + t.name, t.datatype, JSON.stringify(t.shape))));
          at("path").textContent = model.path;
          at("request").value = model.example ? JSON.stringify(model.example, null, 1)
            .replace(/\\[[^\\[\\]{}]*\\]/g, list => list.replace(/\\s+/g, " ")) : "";
          at("status").textContent = "";
          at("answer").textContent = "";
        }

        async function send() {
          at("status").textContent = "Sending…";
          const start = performance.now();
          try {
            const response = await fetch(at("path").textContent,
              {method: "POST", headers: {"Content-Type": "application/json"}, body: at("request").value});
            const text = await response.text();
            at("status").textContent =
              `${response.status} in ${(performance.now() - start).toFixed(1)} ms`;
            at("answer").textContent = text;
          } catch (error) {
            at("status").textContent = "No answer";
            at("answer").textContent = String(error);
          }
        }

        function follow() {
          const wish = new URLSearchParams(location.hash.slice(1));
          const name = wish.get("model") ?? models.keys().next().value;
          if (name === undefined) { at("title").textContent = "No model serves"; return; }
          show(name);
          if (wish.has("run") && models.has(name)) return send();
        }

        async function start() {
          const document_ = await (await fetch("/openapi.json")).json();
          for (const [path, item] of Object.entries(document_.paths)) {
            for (const [method, route] of Object.entries(item)) {
              at("routes").append(cells(method.toUpperCase(), path, route.summary));
              const info = route["x-apus-model"];
              if (info) models.set(info.name,
                {info, path, example: route.requestBody.content["application/json"].example});
            }
          }
          for (const name of models.keys()) {
            const link = Object.assign(document.createElement("a"),
              {textContent: name, href: "#model=" + encodeURIComponent(name)});
            link.dataset.name = name;
            const item = document.createElement("li");
            item.append(link);
            at("models").append(item);
          }
          await follow();
        }

        at("send").addEventListener("click", send);
        at("request").addEventListener("keydown", event => {
          if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); send(); }
        });
        addEventListener("hashchange", follow);
        start().catch(error => { at("title").textContent = "Cannot read /openapi.json: " + error; });

        """
}
