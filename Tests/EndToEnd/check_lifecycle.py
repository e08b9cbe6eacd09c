"""How the daemon starts, reloads and stops."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

from daemon import IRIS, Daemon, NotifySocket, wait_for


def check_wrong_configuration_ends_with_78(tools):
    result = subprocess.run(
        [tools.apus, "serve", "--http-prot", "1", "--log-level", "loud"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 78, result
    assert 'did you mean "--http-port"?' in result.stderr, result.stderr
    assert "allowed: trace, debug" in result.stderr, result.stderr


def check_a_taken_port_ends_with_69_and_names_it(tools):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        models = tools.sample_models("taken", ["iris"])
        command = [tools.apus, "serve", "--http-port", str(port)]
        command += ["--grpc-port", "0", "--metrics-port", "0", models]
        result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode == 69, result
    assert str(port) in result.stderr, result.stderr


def check_print_config_says_where_values_come_from(tools):
    result = subprocess.run(
        [tools.apus, "serve", "--print-config", "--http-port", "1"],
        env={**os.environ, "APUS_LOG_LEVEL": "debug"},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["http_port:", "1", "#", "--http-port"] in lines, result.stdout
    assert ["log_level:", "debug", "#", "APUS_LOG_LEVEL"] in lines, result.stdout
    assert ["metrics_port:", "8002", "#", "default"] in lines, result.stdout


def check_systemd_hears_ready_watchdog_reload_and_stop(tools):
    notify = NotifySocket()
    config = tools.directory("notify-config") / "apus.yaml"
    config.write_text("logging:\n  log_level: info\n")
    environment = {"NOTIFY_SOCKET": notify.path, "WATCHDOG_USEC": "400000"}
    models = tools.sample_models("notify", ["iris"])
    try:
        with Daemon(tools, "--config", config, models, environment=environment) as daemon:
            notify.wait_for("READY=1")
            notify.wait_for("WATCHDOG=1")
            assert any("STATUS=" in message for message in notify.messages), notify.messages
            check_reload(daemon, config, notify)
            assert daemon.stop() == 0
        notify.wait_for("STOPPING=1")
    finally:
        notify.close()


def check_reload(daemon, config, notify):
    """SIGHUP takes over what can change; a broken file changes nothing."""
    config.write_text("logging:\n  log_level: debug\nserver:\n  max_connections: 9\n")
    ready = sum("READY=1" in message for message in notify.messages)
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_for_log("configuration reloaded")
    daemon.wait_for_log("setting needs a restart", key="server.max_connections")
    notify.wait_for("RELOADING=1")
    wait_for(
        "READY=1 after the reload",
        lambda: sum("READY=1" in message for message in notify.messages) > ready,
    )
    daemon.infer_json("iris", IRIS)
    config.write_text("logging:\n  log_level: loud\n")
    daemon.process.send_signal(signal.SIGHUP)
    line = daemon.wait_for_log("configuration not reloaded")
    assert "logging.log_level" in line["reason"], line
    daemon.infer_json("iris", IRIS)


def check_sigterm_lets_a_request_in_flight_finish(tools):
    with Daemon(
        tools, "--shutdown-grace", "30s", tools.sample_models("drain", ["iris"])
    ) as daemon:
        host, port = daemon.address().split(":")
        body = json.dumps(IRIS).encode()
        link = socket.create_connection((host, int(port)), timeout=30)
        link.sendall(
            b"POST /v2/models/iris/infer HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body) + body[:20]
        )
        time.sleep(0.2)
        daemon.process.send_signal(signal.SIGTERM)
        daemon.wait_for_log("draining")
        wait_for("new connections refused", lambda: is_refused(host, int(port)))
        link.sendall(body[20:])
        answer = b""
        while chunk := link.recv(65536):
            answer += chunk
        assert answer.startswith(b"HTTP/1.1 200"), answer
        assert b'"outputs"' in answer, answer
        assert daemon.process.wait(30) == 0


def is_refused(host, port):
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return True
    return False


def check_a_client_that_never_finishes_cannot_hold_the_stop(tools):
    models = tools.sample_models("stuck", ["iris"])
    with Daemon(tools, "--exit-timeout", "500ms", models) as daemon:
        host, port = daemon.address().split(":")
        link = socket.create_connection((host, int(port)), timeout=30)
        link.sendall(b"POST /v2/models/iris/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{")
        time.sleep(0.2)
        began = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - began < 20
        link.close()


def check_sockets_of_systemd_are_taken_over(tools):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    port = listener.getsockname()[1]
    models = tools.sample_models("activation", ["iris"])
    launcher = (
        "import os, sys; fd = int(sys.argv[1]); os.dup2(fd, 3); "
        "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1', LISTEN_FDNAMES='http'); "
        "os.execv(sys.argv[2], sys.argv[2:])"
    )
    command = [sys.executable, "-c", launcher, str(listener.fileno()), str(tools.apus), "serve"]
    command += ["--log-format", "json", "--grpc-port", "0", "--metrics-port", "0", str(models)]
    process = subprocess.Popen(command, pass_fds=[listener.fileno()], stderr=subprocess.PIPE)
    try:
        # The connection is accepted by the kernel before the daemon runs, and answered later.
        link = socket.create_connection(("127.0.0.1", port), timeout=60)
        link.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert link.recv(4096).startswith(b"HTTP/1.1 200")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        # The socket is the service manager's: it still takes connections for the next daemon.
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    finally:
        if process.poll() is None:
            process.kill()
        process.stderr.close()
        listener.close()


def check_the_units_of_systemd_verify(tools):
    directory = tools.directory("units")
    units = tools.root / "systemd"
    service = (units / "apus.service").read_text()
    (directory / "apus.service").write_text(service.replace("/usr/local/bin/apus", str(tools.apus)))
    (directory / "apus.socket").write_text((units / "apus.socket").read_text())
    command = ["systemd-analyze", "verify", *map(str, sorted(directory.iterdir()))]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    said = [line for line in result.stderr.splitlines() if "apus" in line]
    assert result.returncode == 0 and not said, result.stderr


CHECKS = [
    check_wrong_configuration_ends_with_78,
    check_a_taken_port_ends_with_69_and_names_it,
    check_print_config_says_where_values_come_from,
    check_systemd_hears_ready_watchdog_reload_and_stop,
    check_sigterm_lets_a_request_in_flight_finish,
    check_a_client_that_never_finishes_cannot_hold_the_stop,
    check_sockets_of_systemd_are_taken_over,
    check_the_units_of_systemd_verify,
]
