"""The page at /docs in a real browser."""

import subprocess

from daemon import Daemon


def check_the_docs_page_sends_a_prediction(tools):
    reason = tools.programs / "chromium.none"
    if reason.exists():
        print(f"     left out: {reason.read_text().strip()}")
        return
    profile = tools.directory("chromium")
    with Daemon(tools, tools.sample_models("docs-page", ["digits"])) as daemon:
        result = subprocess.run(
            [
                tools.program("chromium"),
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                f"--user-data-dir={profile}",
                "--virtual-time-budget=10000",
                "--dump-dom",
                f"http://{daemon.address()}/docs#model=digits&run",
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
    page = result.stdout
    assert ">200 in " in page, page[-3000:]
    assert '"model_name":"digits"' in page, page[-3000:]


CHECKS = [check_the_docs_page_sends_a_prediction]
