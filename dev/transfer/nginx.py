# SPDX-License-Identifier: Apache-2.0
"""nginx over TLS, twice: a source of files, and a sink that keeps what it is sent and checks nothing.

The sink has answers that S3 clients accept. What is not a PUT or a HEAD of an object goes to :mod:`.multipart`.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dev.transfer.multipart import multipart_answers
from tests.servers.local import account_of_servers, free_port, hand_over, program

START_SECONDS = 10

_CONFIGURATION = """
daemon off;
worker_processes 2;
pid {home}/nginx.pid;
error_log {home}/error.log crit;
events {{ worker_connections 2048; }}
http {{
    access_log off;
    log_format request '$request_method $status';
    client_body_temp_path {home}/incoming;
    client_max_body_size 0;
    client_body_buffer_size 512k;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    keepalive_requests 1000000;
    tcp_nodelay on;
    output_buffers 2 256k;
    ssl_certificate {certificate};
    ssl_certificate_key {certificate};
    ssl_protocols TLSv1.2 TLSv1.3;

    server {{
        listen 127.0.0.1:{source_port} ssl backlog=1024;
        root {home}/source;
        default_type audio/mpeg;
        access_log {home}/source.log request;
    }}

    map $arg_partNumber $part {{ "" ""; default ".part-$arg_partNumber"; }}
    map "$request_method $args" $asks_for_more {{ "~^POST " 1; "~^GET .*(uploads|list-type)" 1; default 0; }}
    server {{
        listen 127.0.0.1:{sink_port} ssl backlog=1024;
        root {home}/sink;
        access_log {home}/sink.log request;
        error_page 418 = @multipart;
        location / {{
            if ($asks_for_more) {{ return 418; }}
            rewrite ^(.*)$ $1$part break;
            dav_methods PUT DELETE;
            create_full_put_path on;
            add_header ETag '"not-checked"';
        }}
        location @multipart {{ proxy_pass http://127.0.0.1:{multipart_port}; }}
    }}

    server {{
        listen 127.0.0.1:{front_port} ssl backlog=1024;
        access_log {home}/front.log request;
        location / {{
            proxy_pass http://127.0.0.1:{store_port};
            proxy_http_version 1.1;
            proxy_request_buffering off;
            proxy_set_header Host $http_host;
        }}
    }}
}}
"""


@dataclass(frozen=True)
class Nginx:
    """A running nginx.

    :param source_port: serves the files of the directory ``source``, with ranges and ETags.
    :param sink_port: speaks as much S3 as an upload needs.
    :param front_port: passes on to another server and counts the requests.
    """

    home: Path
    source_port: int
    sink_port: int
    front_port: int

    @property
    def source(self) -> Path:
        return self.home / "source"

    @property
    def sink(self) -> Path:
        return self.home / "sink"

    def requests(self, server: str) -> Counter[str]:
        """How often each method was asked for since the last look.

        :param server: ``source``, ``sink`` or ``front``.
        """
        log = self.home / f"{server}.log"
        lines = log.read_text().splitlines()
        with log.open("r+") as file:
            file.truncate()
        return Counter(line.split()[0] for line in lines)


@contextmanager
def nginx_server(home: Path, certificate: Path, store_port: int) -> Iterator[Nginx]:
    """Start an nginx on free loopback ports and stop it at the end.

    :param home: an empty directory for its files.
    :param certificate: a PEM file with key and certificate.
    :param store_port: the server behind ``front_port``, which speaks HTTP.
    :raises RuntimeError: where there is no nginx, or where it doesn't start.
    """
    home.chmod(0o755)
    nginx = Nginx(home, free_port(), free_port(), free_port())
    for directory in (nginx.source, nginx.sink):
        directory.mkdir()
    key = home / "key.pem"
    shutil.copyfile(certificate, key)
    hand_over(home, nginx.sink, key)
    with multipart_answers(nginx.sink) as multipart_port:
        ports = {
            "source_port": nginx.source_port,
            "sink_port": nginx.sink_port,
            "front_port": nginx.front_port,
            "multipart_port": multipart_port,
            "store_port": store_port,
        }
        configuration = home / "nginx.conf"
        configuration.write_text(_CONFIGURATION.format(home=home, certificate=key, **ports))
        command = [program("nginx", "nginx"), "-p", str(home), "-e", str(home / "error.log"), "-c", str(configuration)]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, **account_of_servers())
        try:
            _wait_for(process, nginx)
            yield nginx
        finally:
            process.terminate()
            process.wait()


def _wait_for(process: subprocess.Popen[bytes], nginx: Nginx) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not (nginx.home / "nginx.pid").exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"nginx did not start: {(nginx.home / 'error.log').read_text()[-2000:]}")
        time.sleep(0.02)
