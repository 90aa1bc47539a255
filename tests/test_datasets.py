"""The data sets: what they hold, and what is said when they cannot be had.

Nothing here touches the network or the user's cache: the servers are threads of the test, the cache is a new folder.
"""

import errno
import gzip
import hashlib
import http.server
import os
import socket
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pooch
import pytest

from convbook import datasets

MNIST_AT_HAND = os.environ.get("CONVBOOK_DATA")
NAMES = [file.name for file in datasets._MNIST.files]
FIRST, LAST = NAMES[0], NAMES[-1]
PAGE = b"<html><body>Welcome to our Wi-Fi! Please log in.</body></html>"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache of this test's own, no variables set, nothing remembered, and no names but this machine's."""
    for variable in ("CONVBOOK_DATA", "CONVBOOK_FASHION", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.lower(), raising=False)
    folder = tmp_path / "cache" / "convbook"
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "cache" / project)
    look_up = socket.getaddrinfo

    def look_up_here(host, *arguments, **options):
        if host != "127.0.0.1":
            raise socket.gaierror(socket.EAI_NONAME, "this test knows no such host")
        return look_up(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up_here)
    monkeypatch.setattr(datasets, "_TIMEOUT", 3)
    forget()
    yield folder
    forget()


def forget():
    """As if Python had been started anew."""
    datasets._from_folder.cache_clear()
    datasets._fetched.cache_clear()


def idx(array):
    """An array in the idx format."""
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return gzip.compress(header + array.astype(np.uint8).tobytes(), mtime=0)


def small_arrays(seed):
    rng = np.random.default_rng(seed)
    shapes = [(256, (6, 28, 28)), (10, 6), (256, (3, 28, 28)), (10, 3)]
    return {name: rng.integers(0, above, shape) for name, (above, shape) in zip(NAMES, shapes, strict=True)}


def install(monkeypatch, which, seed, *mirrors):
    """Small files in the real names and format are from now on the originals of a collection."""
    files = {name: idx(array) for name, array in small_arrays(seed).items()}
    known = tuple(
        datasets._File(name, hashlib.md5(content).hexdigest(), len(content)) for name, content in files.items()
    )
    monkeypatch.setattr(datasets, which, getattr(datasets, which)._replace(files=known, mirrors=mirrors))
    return files


@pytest.fixture
def serve():
    """Start a server; its answers are functions of the request, and it lists the names that were asked for."""
    servers, over = [], threading.Event()

    def start(answer):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.server.asked.append(self.path.lstrip("/"))
                self.over = over
                answer(self, self.path.lstrip("/"))

            def log_message(self, *arguments):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads, server.asked = True, []
        server.url = f"http://127.0.0.1:{server.server_port}/"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return server

    yield start
    over.set()
    for server in servers:
        server.shutdown()
        server.server_close()


def send(request, content, length=None):
    request.send_response(200)
    request.send_header("Content-Length", str(len(content) if length is None else length))
    request.end_headers()
    request.wfile.write(content)


def sends(files):
    return lambda request, name: send(request, files[name])


@pytest.fixture
def nowhere():
    """The address of a server that is not there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/"


def in_cache(cache):
    return sorted(path.name for path in cache.iterdir()) if cache.is_dir() else []


# --- from a folder --------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with small files that are taken for the real ones, named by the variable."""
    path = tmp_path / "mnist"
    path.mkdir()
    for name, content in install(monkeypatch, "_MNIST", 0).items():
        (path / name).write_bytes(content)
    monkeypatch.setenv("CONVBOOK_DATA", str(path))
    return path


def test_mnist_is_read_from_the_folder_that_the_variable_names(folder):
    arrays = small_arrays(0)
    digits = datasets.load_mnist()
    assert digits.source == "MNIST"
    assert digits.x_train.shape == (6, 28, 28, 1)
    assert digits.x_train.dtype == np.float32
    assert digits.y_train.dtype == np.int64
    for images, labels, part in ((digits.x_train, digits.y_train, "train"), (digits.x_test, digits.y_test, "t10k")):
        np.testing.assert_allclose(images[..., 0] * 255, arrays[f"{part}-images-idx3-ubyte.gz"], atol=1e-4)
        np.testing.assert_array_equal(labels, arrays[f"{part}-labels-idx1-ubyte.gz"])


def test_a_part_is_the_start_of_the_whole(folder):
    whole, part = datasets.load_mnist(), datasets.load_mnist(train=4, test=np.int64(2))
    np.testing.assert_array_equal(part.x_train, whole.x_train[:4])
    np.testing.assert_array_equal(part.y_train, whole.y_train[:4])
    np.testing.assert_array_equal(part.x_test, whole.x_test[:2])
    np.testing.assert_array_equal(part.y_test, whole.y_test[:2])


def test_what_is_done_to_the_arrays_does_not_come_back(folder):
    first = datasets.load_mnist()
    first.x_train[:], first.y_test[:] = 0, 0
    second = datasets.load_mnist()
    assert second.x_train.any()
    assert second.y_test.any()


def test_another_folder_is_read_anew(folder, tmp_path, monkeypatch):
    datasets.load_mnist()
    monkeypatch.setenv("CONVBOOK_DATA", str(tmp_path / "other"))
    with pytest.raises(FileNotFoundError, match="other"):
        datasets.load_mnist()


def test_a_folder_may_be_named_from_home_or_from_here(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("CONVBOOK_DATA", "~/mnist")
    assert datasets.load_mnist().source == "MNIST"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONVBOOK_DATA", "mnist")
    assert datasets.load_mnist().source == "MNIST"


@pytest.mark.parametrize(
    ("spoil", "guess"),
    [
        pytest.param(lambda content: content[:-3], "looks half-downloaded", id="cut"),
        pytest.param(lambda content: b"", "looks half-downloaded", id="empty"),
        pytest.param(lambda content: content[:-1] + b"?", "is damaged or another file", id="one byte"),
        pytest.param(lambda content: content + b"?", "is damaged or another file", id="longer"),
        pytest.param(lambda content: PAGE, "is no gzip file", id="page"),
        pytest.param(gzip.decompress, "is no gzip file", id="unpacked"),
    ],
)
@pytest.mark.parametrize("name", [FIRST, LAST])
def test_a_wrong_file_is_refused_with_its_name_both_sums_and_both_sizes(folder, name, spoil, guess):
    original = (folder / name).read_bytes()
    content = spoil(original)
    (folder / name).write_bytes(content)
    with pytest.raises(ValueError, match=name) as refusal:
        datasets.load_mnist()
    assert str(refusal.value) == (
        f"CONVBOOK_DATA: the file {name} in {folder} is not used: its MD5 sum is {hashlib.md5(content).hexdigest()}, "
        f"expected {hashlib.md5(original).hexdigest()}; it has {len(content)} bytes, expected {len(original)}, "
        f"and {guess}. Remove it and fetch it again"
    )
    assert (folder / name).read_bytes() == content
    # Put right, it is read: the error is not remembered.
    (folder / name).write_bytes(original)
    assert datasets.load_mnist().source == "MNIST"


def test_missing_files_are_named_and_only_those(folder):
    (folder / FIRST).unlink()
    (folder / LAST).unlink()
    with pytest.raises(FileNotFoundError) as refusal:
        datasets.load_mnist()
    assert str(refusal.value) == (
        f"CONVBOOK_DATA: the folder {folder} has no {FIRST}, {LAST}; expected that CONVBOOK_DATA names a folder with "
        f"the four original files: {', '.join(NAMES)}"
    )


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_unpacked_files_are_told_from_missing_ones(folder, kind):
    for name in (FIRST, LAST):
        packed = folder / name
        if name == FIRST:
            unpacked = folder / name.removesuffix(".gz")
            unpacked.mkdir() if kind == "folder" else unpacked.write_bytes(gzip.decompress(packed.read_bytes()))
        packed.unlink()
    with pytest.raises(FileNotFoundError) as refusal:
        datasets.load_mnist()
    assert f"has no {FIRST}, {LAST}; {FIRST} is there unpacked, expected as it is fetched, with .gz; " in str(
        refusal.value
    )


def test_a_folder_that_does_not_exist_is_refused_not_replaced_by_digits(monkeypatch, tmp_path):
    monkeypatch.setenv("CONVBOOK_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match=r"^CONVBOOK_DATA: .*nowhere does not exist; expected .*train-images"):
        datasets.load_mnist()


def test_a_file_in_place_of_the_folder_is_refused(folder, monkeypatch):
    monkeypatch.setenv("CONVBOOK_DATA", str(folder / FIRST))
    with pytest.raises(NotADirectoryError, match=rf"^CONVBOOK_DATA: .*{FIRST} is a file, not a folder; expected that"):
        datasets.load_mnist()


def test_a_folder_in_place_of_a_file_is_refused(folder):
    (folder / LAST).unlink()
    (folder / LAST).mkdir()
    # Windows says that permission is denied.
    with pytest.raises(
        (IsADirectoryError, PermissionError), match=rf"CONVBOOK_DATA: the file {LAST} .* cannot be read"
    ):
        datasets.load_mnist()


def test_a_folder_or_file_that_may_not_be_read_is_refused(folder, monkeypatch):
    # Simulated, because nothing is forbidden to root.
    def forbidden(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", forbidden)
        with pytest.raises(
            PermissionError, match=rf"the file {FIRST} in .* cannot be read \(Permission denied\); make"
        ):
            datasets.load_mnist()
        patch.setattr(os, "listdir", forbidden)
        with pytest.raises(PermissionError, match=r"^CONVBOOK_DATA: .*mnist cannot be read \(Permission denied\); exp"):
            datasets.load_mnist()
    assert datasets.load_mnist().source == "MNIST"


# --- from the network, and from the cache ---------------------------------------------------------------------


def test_mnist_is_fetched_once_and_kept(serve, cache, monkeypatch):
    server = serve(lambda request, name: send(request, files[name]))
    files = install(monkeypatch, "_MNIST", 0, server.url)
    monkeypatch.setenv("CONVBOOK_DATA", "")  # as if not set
    digits = datasets.load_mnist()
    assert digits.source == "MNIST"
    np.testing.assert_array_equal(digits.y_train, small_arrays(0)["train-labels-idx1-ubyte.gz"])
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == files
    forget()
    np.testing.assert_array_equal(datasets.load_mnist().x_test, digits.x_test)
    assert server.asked == NAMES


def misbehave(how, files):
    """An answer of a server that does not send the file."""

    def answer(request, name):
        content = files[name]
        if how == "missing":
            request.send_error(404)
        elif how == "page":
            send(request, PAGE)
        elif how == "cut":
            send(request, content[:-100])
        elif how == "broken":
            send(request, content[:-100], length=len(content))
        elif how == "broken at once":
            send(request, content[:10], length=len(content))
        elif how == "stalled":
            send(request, content[:-100], length=len(content))
            request.wfile.flush()
            request.over.wait(10)
        elif how == "silent":
            request.over.wait(10)
        elif how == "astray":
            request.send_response(302)
            request.send_header("Location", "/" + name)
            request.end_headers()

    return answer


def wrong(content, original, guess):
    return (
        f"sends a wrong file (its MD5 sum is {hashlib.md5(content).hexdigest()}, expected "
        f"{hashlib.md5(original).hexdigest()}; it has {len(content)} bytes, expected {len(original)}, and {guess})"
    )


FAILURES = {
    "missing": lambda original: "answers 404 Not Found",
    "page": lambda original: wrong(PAGE, original, "is no gzip file"),
    "cut": lambda original: wrong(original[:-100], original, "looks half-downloaded"),
    "broken": lambda original: "breaks off half-way",
    "broken at once": lambda original: "breaks off half-way",
    "stalled": lambda original: "breaks off half-way",
    "silent": lambda original: "cannot be reached",
    "astray": lambda original: "fails (TooManyRedirects)",
}


@pytest.mark.parametrize("how", FAILURES)
def test_a_server_that_does_not_send_the_file_is_said_in_one_line_and_leaves_nothing(how, serve, cache, monkeypatch):
    files = {}
    server = serve(misbehave(how, files))
    files.update(install(monkeypatch, "_MNIST", 0, server.url))
    monkeypatch.setattr(datasets, "_TIMEOUT", 0.4 if how in ("stalled", "silent") else 3)
    start = time.monotonic()
    digits = datasets.load_mnist(train=100, test=50)
    assert time.monotonic() - start < 5
    assert digits.x_train.shape == (100, 28, 28, 1)
    assert digits.x_test.shape == (50, 28, 28, 1)
    said = f"127.0.0.1:{server.server_port} {FAILURES[how](files[FIRST])}"
    network = "no network, " if how == "silent" else ""
    assert digits.source == (
        "the 8x8 digits of scikit-learn, enlarged, because MNIST is not at hand "
        f"({FIRST}: {network}{said}); to have it, see that CONVBOOK_DATA names a folder with its four files, "
        "or start Python anew to try again"
    )
    assert in_cache(cache) == []


@pytest.mark.parametrize("how", [*FAILURES, "absent"])
def test_a_second_server_makes_up_for_the_first(how, serve, nowhere, cache, monkeypatch):
    files = {}
    first, second = serve(misbehave(how, files)), serve(sends(files))
    files.update(install(monkeypatch, "_MNIST", 0, nowhere if how == "absent" else first.url, second.url))
    monkeypatch.setattr(datasets, "_TIMEOUT", 0.4 if how in ("stalled", "silent") else 3)
    assert datasets.load_mnist().source == "MNIST"
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == files
    assert second.asked == NAMES
    assert set(first.asked) <= {FIRST}  # the other files did not wait for it


def test_without_a_network_the_digits_take_its_place_and_say_so_in_plain_words(monkeypatch):
    # The real servers' names, which the test's own look-up does not know.
    digits = datasets.load_mnist(train=100, test=50)
    assert digits.x_train.shape == (100, 28, 28, 1)
    assert digits.source == (
        "the 8x8 digits of scikit-learn, enlarged, because MNIST is not at hand "
        f"({FIRST}: no network, storage.googleapis.com and ossci-datasets.s3.amazonaws.com cannot be reached); to have "
        "it, see that CONVBOOK_DATA names a folder with its four files, or start Python anew to try again"
    )
    # The remembered failure does not keep a folder from being read.
    monkeypatch.setenv("CONVBOOK_DATA", "nowhere")
    with pytest.raises(FileNotFoundError):
        datasets.load_mnist()


def test_a_failure_is_found_out_once(serve, monkeypatch):
    server = serve(misbehave("missing", dict.fromkeys(NAMES)))
    install(monkeypatch, "_MNIST", 0, server.url)
    assert len({datasets.load_mnist(1, 1).source for _ in range(3)}) == 1
    assert server.asked == [FIRST]
    # Started anew, it is tried again.
    forget()
    datasets.load_mnist(1, 1)
    assert server.asked == [FIRST, FIRST]


def test_several_servers_each_have_their_say(serve, nowhere, monkeypatch):
    server = serve(misbehave("missing", dict.fromkeys(NAMES)))
    install(monkeypatch, "_MNIST", 0, nowhere, server.url)
    absent = nowhere.split("/")[2]
    assert f"({FIRST}: {absent} cannot be reached, 127.0.0.1:{server.server_port} answers 404 Not Found)" in (
        datasets.load_mnist(1, 1).source
    )


def test_a_wrong_proxy_and_a_server_that_is_not_secure_are_named(serve, nowhere, monkeypatch):
    server = serve(sends({}))
    install(monkeypatch, "_MNIST", 0, server.url.replace("http:", "https:"))
    assert f"({FIRST}: 127.0.0.1:{server.server_port} gives no secure connection)" in datasets.load_mnist(1, 1).source
    forget()
    monkeypatch.setenv("HTTP_PROXY", nowhere)
    install(monkeypatch, "_MNIST", 0, "http://example.org/")
    assert f"({FIRST}: example.org cannot be reached through the proxy)" in datasets.load_mnist(1, 1).source


def test_a_name_that_is_looked_up_for_ever_is_given_up(monkeypatch):
    over, waiting = threading.Event(), []

    def look_up(*arguments, **options):
        waiting.append(threading.current_thread())
        over.wait(10)
        raise socket.gaierror(socket.EAI_AGAIN, "over")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(datasets, "_TIMEOUT", 0.2)
    start = time.monotonic()
    try:
        assert "no network" in datasets.load_mnist(1, 1).source
        assert time.monotonic() - start < 5
        assert all(thread.daemon for thread in waiting)  # what is still waiting does not keep Python from ending
        assert len(waiting) == 2
    finally:
        over.set()


def test_a_slow_server_is_waited_for(serve, monkeypatch):
    def slowly(request, name):
        content, half = files[name], len(files[name]) // 2
        send(request, content[:half], length=len(content))
        for piece in (content[half:-10], content[-10:]) if name == FIRST else (content[half:],):
            request.wfile.flush()
            request.over.wait(0.3 if name == FIRST else 0)
            request.wfile.write(piece)

    server = serve(slowly)
    files = install(monkeypatch, "_MNIST", 0, server.url)
    monkeypatch.setattr(datasets, "_TIMEOUT", 0.5)
    assert datasets.load_mnist().source == "MNIST"


def test_a_download_that_breaks_at_the_second_file_keeps_the_first_and_goes_on_from_there(serve, cache, monkeypatch):
    files, well = {}, threading.Event()

    def answer(request, name):
        how = sends(files) if name == FIRST or well.is_set() else misbehave("broken", files)
        how(request, name)

    server = serve(answer)
    files.update(install(monkeypatch, "_MNIST", 0, server.url))
    assert f"({NAMES[1]}: " in datasets.load_mnist(1, 1).source
    assert in_cache(cache) == [FIRST]
    forget()
    well.set()
    assert datasets.load_mnist().source == "MNIST"
    assert server.asked == [FIRST, NAMES[1], *NAMES[1:]]


@pytest.mark.parametrize("spoil", [lambda content: content[:-3], lambda content: PAGE, lambda content: b""])
def test_a_damaged_file_in_the_cache_is_fetched_again(spoil, serve, cache, monkeypatch):
    server = serve(lambda request, name: send(request, files[name]))
    files = install(monkeypatch, "_MNIST", 0, server.url)
    cache.mkdir(parents=True)
    for name, content in files.items():
        (cache / name).write_bytes(spoil(content) if name == LAST else content)
    digits = datasets.load_mnist()
    assert digits.source == "MNIST"
    np.testing.assert_array_equal(digits.y_test, small_arrays(0)[LAST])
    assert server.asked == [LAST]
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == files


def test_a_damaged_file_in_the_cache_is_not_used_without_a_network_either(nowhere, cache, monkeypatch):
    files = install(monkeypatch, "_MNIST", 0, nowhere)
    cache.mkdir(parents=True)
    for name, content in files.items():
        (cache / name).write_bytes(content[:-3] if name == LAST else content)
    digits = datasets.load_mnist()
    assert digits.source.startswith("the 8x8 digits")
    damaged = files[LAST][:-3]
    assert (
        f"({LAST}: the copy in {cache} is not used (its MD5 sum is {hashlib.md5(damaged).hexdigest()}, expected "
        f"{hashlib.md5(files[LAST]).hexdigest()}; it has {len(damaged)} bytes, expected {len(files[LAST])}, and looks "
        f"half-downloaded), and no network, {nowhere.split('/')[2]} cannot be reached)"
    ) in digits.source
    assert in_cache(cache) == sorted(NAMES)


def test_a_full_disk_is_said_and_nothing_half_written_is_left(serve, cache, monkeypatch):
    first, second = (serve(lambda request, name: send(request, files[name])) for _ in range(2))
    files = install(monkeypatch, "_MNIST", 0, first.url, second.url)
    write = Path.write_bytes

    def write_half(path, content):
        write(path, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", write_half)
    source = datasets.load_mnist(1, 1).source
    assert f"({FIRST}: the cache folder {cache} has no room left); to have it, see that CONVBOOK_DATA" in source
    assert in_cache(cache) == []
    assert (first.asked, second.asked) == ([FIRST], [])  # it is not the server's fault: the next one is not asked


def test_a_cache_that_may_not_be_written_is_said(serve, cache, monkeypatch):
    server = serve(lambda request, name: send(request, files[name]))
    files = install(monkeypatch, "_MNIST", 0, server.url)
    cache.mkdir(parents=True)

    # Simulated, because nothing is forbidden to root. pooch wraps this one and drops its number.
    def forbidden(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", forbidden)
    source = datasets.load_mnist(1, 1).source
    assert f"({FIRST}: the cache folder {cache} cannot be written or read (no permission)); to have it, see" in source


def test_a_file_in_place_of_the_cache_is_said(serve, cache, monkeypatch):
    server = serve(lambda request, name: send(request, files[name]))
    files = install(monkeypatch, "_MNIST", 0, server.url)
    cache.parent.write_bytes(b"")
    source = datasets.load_mnist(1, 1).source
    assert f"({FIRST}: the cache folder {cache} cannot be written or read (" in source
    assert cache.parent.read_bytes() == b""


# --- Fashion-MNIST ----------------------------------------------------------------------------------------------


def test_fashion_is_fetched_and_does_not_get_in_the_way_of_mnist(serve, cache, monkeypatch):
    digits_server, fashion_server = serve(lambda r, n: send(r, digits_files[n])), serve(lambda r, n: send(r, files[n]))
    digits_files = install(monkeypatch, "_MNIST", 0, digits_server.url)
    files = install(monkeypatch, "_FASHION", 1, fashion_server.url)
    for _ in range(2):
        digits, fashion = datasets.load_mnist(), datasets.load_fashion_mnist(train=5)
        assert (digits.source, fashion.source) == ("MNIST", "Fashion-MNIST")
        np.testing.assert_array_equal(digits.y_train, small_arrays(0)["train-labels-idx1-ubyte.gz"])
        np.testing.assert_array_equal(fashion.y_train, small_arrays(1)["train-labels-idx1-ubyte.gz"][:5])
        assert fashion.x_train.shape == (5, 28, 28, 1)
        forget()
    assert (digits_server.asked, fashion_server.asked) == (NAMES, NAMES)


def test_fashion_is_read_from_its_own_folder(folder, tmp_path, monkeypatch):
    files = install(monkeypatch, "_FASHION", 1)
    (tmp_path / "fashion").mkdir()
    for name, content in files.items():
        (tmp_path / "fashion" / name).write_bytes(content)
    monkeypatch.setenv("CONVBOOK_FASHION", str(tmp_path / "fashion"))
    np.testing.assert_array_equal(datasets.load_fashion_mnist().y_test, small_arrays(1)[LAST])
    assert datasets.load_mnist().source == "MNIST"
    # The folder with the other set's files, which have the same names.
    monkeypatch.setenv("CONVBOOK_FASHION", str(folder))
    with pytest.raises(ValueError, match=rf"^CONVBOOK_FASHION: the file {FIRST} .* is not used: its MD5 sum is"):
        datasets.load_fashion_mnist()
    monkeypatch.setenv("CONVBOOK_FASHION", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match=r"^CONVBOOK_FASHION: .*nowhere does not exist"):
        datasets.load_fashion_mnist()


def test_nothing_stands_in_for_fashion():
    for _ in range(2):  # also when it is remembered
        with pytest.raises(OSError, match="Fashion") as refusal:
            datasets.load_fashion_mnist()
        assert str(refusal.value) == (
            f"Fashion-MNIST is not at hand ({FIRST}: no network, "
            "fashion-mnist.s3-website.eu-central-1.amazonaws.com cannot be reached); to have it, see that "
            "CONVBOOK_FASHION names a folder with its four files, or start Python anew to try again"
        )


# --- how many images ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("load", [datasets.load_mnist, datasets.load_fashion_mnist, datasets.load_digits])
@pytest.mark.parametrize("name", ["train", "test"])
@pytest.mark.parametrize(
    ("count", "error", "message"),
    [
        (0, ValueError, "got 0, expected an integer of at least 1"),
        (-5, ValueError, "got -5, expected an integer of at least 1"),
        (10.0, TypeError, "got 10.0, expected an integer"),
        ("10", TypeError, "got '10', expected an integer"),
        (True, TypeError, "got True, expected an integer"),
    ],
)
def test_a_wrong_count_is_refused_before_anything_is_fetched(load, name, count, error, message, monkeypatch):
    def fetch(*_):
        raise AssertionError("fetched")

    monkeypatch.setattr(datasets, "_fetch", fetch)
    with pytest.raises(error) as refusal:
        load(**{name: count})
    assert str(refusal.value) == f"{name}: {message}"


def test_more_than_there_are_gives_all_there_are(folder):
    digits = datasets.load_mnist(train=2000, test=1000)
    assert (len(digits.x_train), len(digits.y_train), len(digits.x_test), len(digits.y_test)) == (6, 6, 3, 3)
    digits = datasets.load_digits(train=2000, test=1000)
    assert (len(digits.x_train), len(digits.y_train), len(digits.x_test), len(digits.y_test)) == (1437, 1437, 360, 360)


# --- the digits and the photographs ---------------------------------------------------------------------------


def test_the_digits_have_the_shape_and_range_of_mnist():
    digits = datasets.load_digits()
    assert digits.x_train.shape == (1437, 28, 28, 1)
    assert digits.x_test.shape == (360, 28, 28, 1)
    assert digits.x_train.min() == 0
    assert 0.9 < digits.x_train.max() <= 1
    assert set(digits.y_train) == set(range(10))
    # The frame is empty, as in MNIST.
    assert digits.x_train[:, :4].max() == digits.x_train[:, :, -4:].max() == 0


def test_the_digits_still_look_like_the_originals():
    from sklearn.datasets import load_digits

    digits = datasets.load_digits()
    small = load_digits().images[:1437] / 16
    blocks = digits.x_train[:, 4:24, 4:24, 0].reshape(1437, 4, 5, 4, 5).mean(axis=(2, 4))
    coarse = small.reshape(1437, 4, 2, 4, 2).mean(axis=(2, 4))
    assert np.corrcoef(blocks.ravel(), coarse.ravel())[0, 1] > 0.98


def test_a_photograph_has_the_size_asked_for_and_is_no_noise():
    photograph = datasets.load_photograph("china", 160, 240)
    assert photograph.shape == (160, 240, 3)
    assert photograph.dtype == np.float32
    assert 0 <= photograph.min() < 0.1
    assert 0.9 < photograph.max() <= 1
    assert np.corrcoef(photograph[:, :-1].ravel(), photograph[:, 1:].ravel())[0, 1] > 0.8


def test_an_unknown_photograph_or_size_is_refused():
    with pytest.raises(ValueError, match=r"name: got 'cat'"):
        datasets.load_photograph("cat")
    with pytest.raises(ValueError, match="height, width: got 500"):
        datasets.load_photograph("china", 500, 10)
    with pytest.raises(ValueError, match="width: got 0, expected an integer of at least 1"):
        datasets.load_photograph("china", 10, 0)
    with pytest.raises(TypeError, match=r"height: got 20\.0, expected an integer"):
        datasets.load_photograph("china", 20.0, 10)


def test_the_real_mnist_is_what_it_is_known_to_be(monkeypatch):
    """Only where MNIST is at hand; everything else here runs on files made by the test."""
    if not MNIST_AT_HAND or not Path(MNIST_AT_HAND).is_dir():
        pytest.skip("CONVBOOK_DATA names no folder with MNIST")
    monkeypatch.setenv("CONVBOOK_DATA", MNIST_AT_HAND)
    digits = datasets.load_mnist()
    assert digits.source == "MNIST"
    assert digits.x_train.shape == (60000, 28, 28, 1)
    assert digits.x_test.shape == (10000, 28, 28, 1)
    assert digits.y_train[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert abs(float(digits.x_train.mean()) - 0.1307) < 1e-4
    for file in datasets._MNIST.files:
        assert Path(MNIST_AT_HAND, file.name).stat().st_size == file.size
