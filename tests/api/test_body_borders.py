"""Bodies that come in pieces: a character that is cut in two arrives as one."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator

import pytest

CUTS = [pytest.param(c, at, id=f"{len(c.encode())}-{at}") for c in "é€𝄞"
        for at in range(len(c.encode()) + 1)]  # fmt: skip
HEADING = b"Activity,Quantity,Unit\n"


def pieces(content: bytes, cut: int) -> Iterator[bytes]:
    yield content[:cut]
    yield content[cut:]


@pytest.mark.parametrize(("character", "at"), CUTS)
def test_json_is_read_whole(client, alpha, character: str, at: int) -> None:
    name = f"Fleet {character} north"
    body = f'{{"name": "{name}"}}'.encode()
    cut = body.index(character.encode()) + at
    headers = alpha.headers | {"Content-Type": "application/json"}
    answer = client.post(
        f"/v1/organizations/{alpha.id}/projects", headers=headers, content=pieces(body, cut)
    )
    assert (answer.status_code, answer.json()["name"]) == (201, name)


@pytest.mark.parametrize(("character", "at"), CUTS)
def test_fields_and_names_of_a_form_are_read_whole(client, alpha, character: str, at: int) -> None:
    heading, filename = f"Menge {character}", f"Reise {character}.csv"
    start = (
        '--b\r\nContent-Disposition: form-data; name="mapping"\r\n\r\n'
        f'{{"{heading}": "volume"}}\r\n'
        f'--b\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n\r\n'
    ).encode()
    body = start + f"Activity,{heading},Unit\nDiesel,1,l\n".encode() + b"\r\n--b--\r\n"
    headers = alpha.headers | {"Content-Type": "multipart/form-data; boundary=b"}
    sign = character.encode()
    for number, place in enumerate((body.index(sign), start.rindex(sign), body.rindex(sign))):
        answer = client.post(
            f"/v1/files?allow_duplicate={number > 0}", headers=headers,
            content=pieces(body, place + at),
        )  # fmt: skip
        assert answer.status_code == 202, answer.text
    listed = client.get("/v1/files", headers=alpha.headers).json()["files"]
    assert {file["filename"] for file in listed} == {filename}


@pytest.mark.parametrize("inside", range(3))
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
def test_an_upload_with_a_character_where_the_first_look_ends_is_text(
    client, alpha, storage, inside: int, packed: bool
) -> None:
    filler = b"x" * (64 * 1024 - inside - len(HEADING))
    content = HEADING + filler + "“€”".encode() * 9 + b",1,l\n"
    sent = gzip.compress(content, mtime=0) if packed else content
    name = "a.csv.gz" if packed else "a.csv"
    answer = client.post("/v1/files", headers=alpha.headers, files={"file": (name, sent)})
    assert answer.status_code == 202, answer.text
    [listed] = list(storage.list(f"{alpha.id}/"))
    with storage.open(listed.key) as source:
        assert source.read() == sent


@pytest.mark.parametrize("inside", range(3))
def test_a_packed_upload_that_hardly_shrinks_may_be_cut_within_a_character(
    client, alpha, inside: int
) -> None:
    # stored and not compressed: 64 kB of the packed file hold less than 64 kB of text
    signs = random.Random(inside).choices("“”„€…‰", k=40_000)  # “ has a byte that cp1252 has not
    content = HEADING + b"x" * inside + "".join(signs).encode() + b",1,l\n"
    sent = gzip.compress(content, compresslevel=0, mtime=0)
    answer = client.post("/v1/files", headers=alpha.headers, files={"file": ("a.csv.gz", sent)})
    assert answer.status_code == 202, answer.text
