"""``smg launch``."""

from __future__ import annotations

import json
import re
import resource
import signal
import urllib.request

import pytest

from smg.cli.main import build_parser, main
from smg.config.flags import FLAGS
from smg.config.load import load
from tests.cli.running import DEADLINE_SECS, lines_until, smg
from tests.config.test_flags import sample


def fetch(url: str) -> bytes:
    """Return the body at a loopback address."""
    with urllib.request.urlopen(url, timeout=5) as answer:
        body: bytes = answer.read()
    return body


@pytest.mark.parametrize("flag", FLAGS, ids=lambda flag: flag.name)
def test_help_names_every_flag_and_its_default(flag, capsys):
    """What can be set is in the help, with its default where there is one to name."""
    with pytest.raises(SystemExit):
        main(["launch", "--help"])
    text = " ".join(capsys.readouterr().out.split())

    assert f"{flag.name} {flag.metavar}".strip() in text
    assert flag.help in text


@pytest.mark.parametrize("flag", [flag for flag in FLAGS if flag.name not in {"--tls-cert-path", "--tls-key-path"}])
@pytest.mark.parametrize("command", ["launch", "start"])
def test_flag_means_what_its_variable_means(flag, command):
    """The command line and the environment are two spellings of one thing."""
    given = [flag.name] if flag.switch else [flag.name, sample(flag)]

    args = vars(build_parser().parse_args([command, *given]))

    assert {name: value for name, value in args.items() if name in {each.setting for each in FLAGS}} == {
        flag.setting: [flag.value(sample(flag))] if flag.several else flag.value(sample(flag))
    }


def test_several_urls_may_stand_behind_one_flag_or_several():
    """Both habits of giving lists work."""
    args = build_parser().parse_args(
        ["launch", "--worker-urls", "http://a:1", "grpc://b:2@1", "--worker-urls", "http://c:3"]
    )

    settings = load(None, {}, vars(args))

    assert [spec.url for spec in settings.workers] == ["http://a:1", "grpc://b:2@1", "http://c:3"]


def test_model_is_another_spelling():
    """The engines' own name for the flag is known."""
    assert vars(build_parser().parse_args(["launch", "--model", "x"]))["model.model_path"] == "x"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "abc"],
        ["--port", "1.5"],
        ["--retry-max-retries", "0"],
        ["--worker-url", "http://a:1"],  # no abbreviations: a flag added later could change their meaning
        ["--grpc-port", "3"],  # what does not act yet is not accepted
        ["--pd-disaggregation"],
        ["--disable-retries=yes"],
        ["stray"],
    ],
)
def test_wrong_flags_are_refused(arguments, capsys):
    """Code 2, and the flag is named."""
    with pytest.raises(SystemExit) as ended:
        main(["launch", *arguments])

    assert ended.value.code == 2
    assert arguments[0].partition("=")[0] in capsys.readouterr().err


def test_gateway_starts_says_where_and_ends_on_sigterm(tmp_path):
    """It serves with no worker that answers, and a signal ends it with code 0."""
    config = tmp_path / "gateway.yaml"
    config.write_text("policy: least_load\nserver: {host: 127.0.0.1, shutdown_grace_period_secs: 0.2}\n")
    arguments = ("--config", str(config), "--port", "0", "--prometheus-port", "0", "--prometheus-host", "127.0.0.1")

    with smg("launch", *arguments, "--worker-urls", "http://127.0.0.1:9", SMG_POLICY="random") as process:
        listening, metrics, workers = lines_until(process, "to start with")
        port = re.fullmatch(r"smg: listening on (http://127\.0\.0\.1:\d+)", listening)
        page = re.fullmatch(r"smg: metrics on (http://127\.0\.0\.1:\d+/metrics)", metrics)
        assert port is not None
        assert page is not None
        assert workers == "smg: 1 worker to start with, policy random"
        assert fetch(f"{port[1]}/liveness") is not None
        assert json.loads(fetch(f"{port[1]}/workers"))
        assert b"smg_" in fetch(page[1])
        process.send_signal(signal.SIGTERM)

        assert process.wait(DEADLINE_SECS) == 0


def test_taken_port_is_one_line():
    """Nothing half started stays behind a port that another holds."""
    with smg("launch", "--host", "127.0.0.1", "--port", "0", "--prometheus-port", "0") as first:
        port = lines_until(first, "to start with")[0].rpartition(":")[2]
        with smg("launch", "--host", "127.0.0.1", "--port", port, "--prometheus-port", "0") as second:
            _, error = second.communicate(timeout=DEADLINE_SECS)

            assert second.returncode == 2
            assert error.startswith(f"smg: cannot listen on 127.0.0.1:{port}: ")
            assert error.count("\n") == 1


def test_as_many_descriptors_as_the_user_may():
    """A shell's low limit is no limit of streams: the gateway raises it as far as it may."""
    low, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, most))
    try:
        with smg("launch", "--host", "127.0.0.1", "--port", "0", "--prometheus-port", "0") as process:
            lines_until(process, "to start with")
            assert resource.prlimit(process.pid, resource.RLIMIT_NOFILE) == (most, most)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (low, most))
