"""The page at /docs in a real browser."""

import shutil
import subprocess

from daemon import Daemon


def check_the_docs_page_sends_a_prediction(tools):
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        print("     left out: no chromium is installed")
        return
    profile = tools.directory("chromium")
    with Daemon(tools, tools.sample_models("docs-page", ["digits"])) as daemon:
        result = subprocess.run(
            [
                browser,
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
