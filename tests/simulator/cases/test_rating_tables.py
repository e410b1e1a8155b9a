"""Tables of ratings."""

from __future__ import annotations

import numpy as np
import pytest
from case_files import RECSYS, checked, plan, refusal, scenario

from clients.data import load


def rating_lines(items: int = 30) -> list[tuple[int, int]]:
    draw = np.random.default_rng(3)
    return [(user, int(item)) for user in range(40) for item in draw.choice(items, 6, replace=False)]


RATINGS = {"dataset": "ratings", "path": "r.csv", "partition": {"kind": "users"}}


def test_huge_item_numbers_are_numbered_anew_and_told(tmp_path):
    lines = rating_lines()
    text = "uid,iid\n" + "\n".join(f"{user},{3_000_000_000 if item == 7 else item * 6000}" for user, item in lines)
    (tmp_path / "r.csv").write_text(text)
    one = plan(tmp_path, RATINGS, main=RECSYS)
    assert one.shape == (30,)
    assert "3000000000" in one.labels
    assert "30 items with numbers up to 3000000000 are numbered anew" in checked(one)


def test_users_are_meant_by_the_numbers_of_the_file(tmp_path):
    (tmp_path / "r.csv").write_text("uid,iid\n" + "\n".join(f"{1000 * user + 5},{item}" for user, item in rating_lines()))
    one = plan(tmp_path, RATINGS, main=RECSYS)
    data = load(one.configs[0].data)
    user = int(data.user_names[one.configs[0].rows[0]])
    assert user >= 1000 or user == 5
    delete = {"round": 2, "do": "delete", "peer": 0, "rows": {"user": user}}
    gone = plan(tmp_path, RATINGS, main=RECSYS, event=[delete]).timeline.erasures[0].rows
    assert set(data.user_names[list(gone)]) == {user}
    line = refusal(tmp_path, RATINGS, main=RECSYS, event=[delete | {"rows": {"user": 1}}])
    assert "name a user it holds" in line


@pytest.mark.parametrize(
    ("header", "cell"),
    [
        ("title,uid,iid", '"Film {}, 7, 8"'),
        ("tag,uid,iid", "#{}"),
        ("title,uid,iid", '"a ""quoted"" {}"'),
        ("text,uid,iid", '"two\nlines {}"'),
    ],
)
def test_quotes_and_hashes_are_read_as_csv(tmp_path, header, cell):
    (tmp_path / "plain.csv").write_text("uid,iid\n" + "\n".join(f"{user},{item}" for user, item in rating_lines()))
    (tmp_path / "r.csv").write_text(header + "\n" + "\n".join(f"{cell.format(item)},{user},{item}" for user, item in rating_lines()))
    plain = load(scenario(tmp_path, RATINGS | {"path": "plain.csv"}, main=RECSYS).data.source())
    quoted = load(scenario(tmp_path, RATINGS, main=RECSYS).data.source())
    assert quoted.x.tobytes() == plain.x.tobytes()
    assert quoted.y.tobytes() == plain.y.tobytes()


@pytest.mark.parametrize("cell", ["", "1.5", "x", "-1", "nan", "99999999999999999999"])
def test_numbers_of_users_that_are_none_are_refused(tmp_path, cell):
    (tmp_path / "r.csv").write_text("uid,iid\n0,1\n0,2\n" + f"{cell},3\n")
    assert "line 4: column uid holds" in refusal(tmp_path, RATINGS, main=RECSYS)
