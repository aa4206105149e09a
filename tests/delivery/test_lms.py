"""Canvas and Moodle: what a bulk download becomes in a class, and the sheet that goes back.

Canvas is held against instructure/canvas-lms: lib/content_zipper.rb (get_filename, add_upload_submission, add_text_or_url) for the
names, lib/gradebook_exporter.rb (csv_data) for the sheet, lib/gradebook_importer.rb (header?, process_student, csv_stream) for what
it takes back. Moodle against moodle/moodle: mod/assign/classes/downloader.php (get_student_prefix, load_submissionplugin_filelist),
mod/assign/gradingtable.php (the columns when downloading), mod/assign/feedback/offline/importgradeslib.php (init, next) and
locallib.php (process_import_grades).
"""

from __future__ import annotations

import csv
import io
import struct
import subprocess
import zipfile
import zlib
from pathlib import Path, PurePosixPath

import nbformat
import pytest

from autograder.cli import main
from autograder.delivery import unpack
from autograder.delivery.lms import KINDS, sheet, told_apart
from autograder.house import SOLUTIONS
from autograder.nbgrader.classroom import Classroom, make
from tests.submissions import change, lesson, write

pytestmark = pytest.mark.filterwarnings("ignore")

NAME = "00_start_here"
ONE = lesson(SOLUTIONS / f"{NAME}.py")
RIGHT = nbformat.writes(ONE.right()).encode()
WRONG = nbformat.writes(change(ONE.right(), "answer", "start-here-tanh-grad", "1 - h * h", "1 - h")).encode()
PARTLY = nbformat.writes(write(ONE.right(), "written", "start-here-why-float64", "Because.")).encode()
CHECKS, ALL = ONE.points("check"), ONE.points()

ROSTER = [
    "id,first,last,email",
    "ada,Ada,Lovelace,ada@example.com",
    "zuse,Konrad,Zuse,zuse@example.com",
    "noether,Emmy,Nöther,noether@example.com",
    "12,Alan,Turing,turing@example.com",  # the number that Canvas has for somebody else
    "hopper,Grace,Hopper,hopper@example.com",
]

CANVAS = f'''\
Student,ID,SIS User ID,SIS Login ID,Section,Notes,Start here (901),The unrolled graph (902),Current Score,Final Score
,,,,,,Manual Posting,,,
    Points Possible,,,,,,{CHECKS:g},24.00,(read only),(read only)
"Lovelace, Ada",11,m1,ada,"Wed, 10:00",,,12.5,50.00,25.00
"Zuse, Konrad",12,m2,zuse,A,,3,,,
"Nöther, Emmy",13,m3,noether,A,"says ""hello""",EX,,,
"Turing, Alan",14,m4,12,A,,N/A,,,
"Hopper, Grace",15,m5,hopper,A,,,,,
"Guest, A",16,m6,guest,A,,,,,
"Student, Test",17,,0f1e2d,A,,,,,
'''

MOODLE = (
    "\ufeff"
    'Identifier,"Full name","Email address",Status,Grade,"Maximum Grade","Grade can be changed",'
    '"Last modified (submission)","Last modified (grade)","Feedback comments"\r\n'
    f'"Participant 501","Ada Lovelace",ada@example.com,"Submitted for grading - ",,{CHECKS:.2f},Yes,'
    '"Monday, 2 November 2026, 9:05 AM","Monday, 2 November 2026, 9:05 AM","<p>Good, but ""late""</p>"\r\n'
    f'"Participant 502","Konrad Zuse",zuse@example.com,"Submitted for grading - ",3.00,{CHECKS:.2f},Yes,-,-,\r\n'
    f'"Participant 503","Emmy Nöther",noether@example.com,"No submission",,{CHECKS:.2f},Yes,-,-,\r\n'
    f'"Participant 12","Grace Hopper",hopper@example.com,"No submission",,{CHECKS:.2f},Yes,-,-,\r\n'
    f'"Participant 504","Guest A",guest@example.com,"No submission",,{CHECKS:.2f},Yes,-,-,\r\n'
)


def packed(files: dict[str, bytes], kind: type[zipfile.ZipInfo] = zipfile.ZipInfo) -> bytes:
    """A zip of these files."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, data in files.items():
            archive.writestr(kind(name), data, zipfile.ZIP_DEFLATED)
    return made.getvalue()


class ByRubyzip(zipfile.ZipInfo):
    """An entry as Canvas writes it: rubyzip does not mark a name in UTF-8 as such."""

    def _encodeFilenameFlags(self):
        return self.filename.encode(), self.flag_bits


@pytest.fixture(scope="module")
def class_made(tmp_path_factory) -> Path:
    """A class with one lesson and five students."""
    place = tmp_path_factory.mktemp("class")
    (place / "roster.csv").write_text("\n".join(ROSTER))
    make(place / "class", [SOLUTIONS / f"{NAME}.py"], roster=place / "roster.csv")
    return place / "class"


@pytest.fixture
def class_dir(class_made, tmp_path) -> Path:
    """A fresh copy of it."""
    subprocess.run(["cp", "-a", str(class_made), str(tmp_path / "class")], check=True)
    return tmp_path / "class"


def collected(class_dir: Path, lms: str, export: str, download: bytes, capsys) -> tuple[int, str, dict[str, list[str]]]:
    """The exit code of `course lms … collect`, what it printed, and the files in submitted/ by student."""
    folder = class_dir.parent
    (folder / "export.csv").write_text(export, newline="")
    (folder / "download.zip").write_bytes(download)
    code = main(
        [
            "lms",
            lms,
            "collect",
            str(class_dir),
            "00",
            str(folder / "download.zip"),
            "--export",
            str(folder / "export.csv"),
        ]
    )
    found: dict[str, list[str]] = {}
    for path in sorted((class_dir / "submitted").rglob("*")):
        student, *rest = path.relative_to(class_dir / "submitted").parts
        if path.is_file():
            found.setdefault(student, []).append("/".join(rest))
    return code, capsys.readouterr().out, found


# ------------------------------------------------------------------------------------------------ names


@pytest.mark.parametrize(
    ("place", "owner"),
    [
        ("lovelaceada_11_67890_00_start_here-1.ipynb", ("11", "lovelaceada", "00_start_here-1.ipynb", False)),
        ("lovelaceada_LATE_11_67890_a_1_2_b.ipynb", ("11", "lovelaceada", "a_1_2_b.ipynb", True)),
        ("nötheremmy_13_1_lösung.ipynb", ("13", "nötheremmy", "lösung.ipynb", False)),
        ("o_neil2_LATE_14_2_x y.zip", ("14", "o_neil2", "x y.zip", True)),
        ("lovelaceada_11_text.html", ("11", "lovelaceada", ".", False)),
        ("anon_Ab1cd_67890_1_x.ipynb", None),
        ("LATE_anon_12345_67890_x.ipynb", None),
        ("notes.txt", None),
    ],
)
def test_a_file_from_canvas_says_whose_it_is(place, owner):
    """content_zipper.rb: the sortable name, _LATE, the user's id, the attachment's id, the file's own name."""
    found = KINDS["canvas"].whose(PurePosixPath(place))
    assert owner == (found and (found.id, found.name, str(found.file), found.late))


@pytest.mark.parametrize(
    ("place", "owner"),
    [
        ("Ada Lovelace_501_assignsubmission_file_/x.ipynb", ("501", "Ada Lovelace", "x.ipynb")),  # before Moodle 4
        ("Ada Lovelace_501_assignsubmission_file/sub/x.ipynb", ("501", "Ada Lovelace", "sub/x.ipynb")),
        ("Ada Lovelace_501_assignsubmission_file_x.ipynb", ("501", "Ada Lovelace", "x.ipynb")),  # not in folders
        ("course-hw-77/Emmy Nöther_503_assignsubmission_file/a_b.ipynb", ("503", "Emmy Nöther", "a_b.ipynb")),
        ("Ada Lovelace_501_assignsubmission_onlinetext/onlinetext.html", ("501", "Ada Lovelace", "onlinetext.html")),
        ("notes.txt", None),
    ],
)
def test_a_file_from_moodle_says_whose_it_is(place, owner):
    """downloader.php: full name, the id that the worksheet calls Participant, the plugin; a folder or a prefix."""
    found = KINDS["moodle"].whose(PurePosixPath(place))
    assert owner == (found and (found.id, found.name, str(found.file)))


def test_a_number_of_the_lms_is_not_taken_for_one_of_the_university(tmp_path):
    """Konrad has the id 12 in Canvas, and Alan the id 12 in the class: the column in which most of the class is found decides."""
    (tmp_path / "x.csv").write_text(CANVAS)
    people = KINDS["canvas"].people(sheet(tmp_path / "x.csv"))
    roster = [tuple(line.split(",")[::3]) for line in ROSTER[1:]]
    by_login = {"11": "ada", "12": "zuse", "13": "noether", "14": "12", "15": "hopper"}
    assert (by_login, "SIS Login ID") == told_apart(people, roster)


# ------------------------------------------------------------------------------------------------ in and out again


def imported_by_canvas(text: str) -> dict[str, dict[str, str]]:
    """What Canvas reads in an uploaded sheet, by assignment and user: header?, process_pp, process_student, decimal_comma_to_period."""
    rows = list(csv.reader(io.StringIO(text)))
    head = rows[0]
    assert (
        len(head) > 3
        and "Student" in head[0]
        and "ID" in head[1]
        and "SIS Login ID" in head[3]
        and "Section" in head[4]
    )
    found: dict[str, dict[str, str]] = {}
    for row in rows[1:]:
        if "Points Possible" in row[0] or all(cell.strip() in ("", "Manual Posting") for cell in row):
            continue
        for at, title in enumerate(head):
            if title.endswith(")") and title[title.rindex("(") + 1 : -1].isdigit():
                found.setdefault(title, {})[str(int(row[1]))] = row[at].strip()
    return found


def imported_by_moodle(text: str) -> dict[str, str]:
    """The grades that Moodle reads: columns by their titles, the id behind "Participant ", rows without a grade skipped."""
    head, *rows = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    grade, id, modified = head.index("Grade"), head.index("Identifier"), head.index("Last modified (grade)")
    return {row[id][len("Participant ") :]: row[grade] for row in rows if row[grade] != "" and row[modified]}


@pytest.mark.needs_bubblewrap
def test_from_canvas_into_the_class_and_back(class_dir, capsys):
    """Umlauts, _LATE, a zip in the zip, a stranger: hand-ins come to the class's ids, grades go back to Canvas's, nothing else changes."""
    download = packed(
        {
            "lovelaceada_LATE_11_701_00_start_here-1.ipynb": RIGHT,
            "lovelaceada_LATE_11_702_plot.png": b"png",
            "nötheremmy_13_703_abgabe.zip": packed(
                {"Lösung/00_start_here.ipynb": RIGHT, "Lösung/daten.txt": b"x", "__MACOSX/._x": b""}
            ),
            "zusekonrad_12_704_00_start_here.ipynb": WRONG,
            "guesta_16_705_00_start_here.ipynb": RIGHT,
            "hoppergrace_15_text.html": b"<p>Here</p>",
        },
        ByRubyzip,
    )
    code, said, found = collected(class_dir, "canvas", CANVAS, download, capsys)
    assert {
        "ada": [f"{NAME}/{NAME}.ipynb", f"{NAME}/plot.png"],
        "noether": [f"{NAME}/{NAME}.ipynb", f"{NAME}/daten.txt"],
        "zuse": [f"{NAME}/{NAME}.ipynb"],
    } == found
    assert (1, True, True) == (code, "3 taken in, 0 as before" in said, "\nLate: ada.\n" in said)
    assert "guesta_16_705_00_start_here.ipynb: Guest, A (16) is not in the class's roster" in said
    assert "hoppergrace_15_text.html: was typed into the LMS" in said

    again = collected(class_dir, "canvas", CANVAS, download, capsys)
    assert (True, found) == ("0 taken in, 3 as before" in again[1], again[2])

    assert 0 == main(["grade", str(class_dir), "00"])
    grade_written(class_dir, {"ada": 2, "zuse": 1, "noether": 2})
    export, out = class_dir.parent / "export.csv", class_dir.parent / "upload.csv"
    line = ["lms", "canvas", "grades", str(class_dir), "00", "--export", str(export), "-o", str(out)]
    capsys.readouterr()
    assert 2 == main(line)
    assert f"has {ALL:g} points, and the LMS takes {CHECKS:g}" in capsys.readouterr().err
    export.write_text(CANVAS.replace(f",,{CHECKS:g},24.00", f",,{ALL:g},24.00"))
    assert 1 == main(line)
    said = capsys.readouterr().out
    before, after = (imported_by_canvas(text) for text in (export.read_text(), out.read_text()))
    assert {**before["Start here (901)"], "11": f"{ALL:g}", "12": f"{CHECKS - 3 + 1:g}"} == after["Start here (901)"]
    assert before["The unrolled graph (902)"] == after["The unrolled graph (902)"]
    assert ("", "EX", "N/A") == tuple(after["Start here (901)"][id] for id in ("15", "13", "14"))
    assert f"noether: EX stays; the score would be {ALL:g}" in said


def grade_written(class_dir: Path, points: dict[str, float]) -> None:
    """Grade the written answers of these students by hand, as formgrader does."""
    from autograder.nbgrader.classroom import gradebook

    with gradebook(Classroom(class_dir)) as book:
        for student, given in points.items():
            mark = book.find_grade("start-here-why-float64", NAME, NAME, student)
            mark.manual_score, mark.needs_manual_grade = given, False
        book.db.commit()


@pytest.mark.needs_bubblewrap
def test_from_moodle_into_the_class_and_back(class_dir, capsys):
    """The worksheet keeps its mark, its line ends and every other cell; who handed in nothing has no grade, and not 0."""
    download = packed(
        {
            "Ada Lovelace_501_assignsubmission_file_/00_start_here.ipynb": RIGHT,
            "Konrad Zuse_502_assignsubmission_file_/mine.ipynb": WRONG,
            "Emmy Nöther_999_assignsubmission_file_/00_start_here.ipynb": RIGHT,
            "Kurt Gödel_503_assignsubmission_file_/00_start_here.ipynb": RIGHT,
        }
    )
    code, said, found = collected(class_dir, "moodle", MOODLE, download, capsys)
    assert (1, {"ada": [f"{NAME}/{NAME}.ipynb"], "zuse": [f"{NAME}/{NAME}.ipynb"]}) == (code, found)
    assert ("999 is not in export.csv" in said, "503 is 'Emmy Nöther' in export.csv" in said) == (True, True)

    export, out = class_dir.parent / "export.csv", class_dir.parent / "upload.csv"
    line = ["lms", "moodle", "grades", str(class_dir), "00", "--export", str(export), "-o", str(out), "--scale"]
    assert 0 == main(["grade", str(class_dir), "00"])
    capsys.readouterr()
    assert 1 == main(line)  # the written answers await a person
    assert "ada: awaits a person, or is not graded yet" in capsys.readouterr().out
    assert {"502": "3.00"} == imported_by_moodle(out.read_bytes().decode())

    grade_written(class_dir, {"ada": 2, "zuse": 0})
    assert 0 == main(line)
    before, after = (path.read_bytes().decode() for path in (export, out))
    half = round((CHECKS - 3) * CHECKS / ALL, 2)
    assert {"501": f"{CHECKS:g}", "502": f"{half:g}"} == imported_by_moodle(after)
    assert (True, True) == (after.startswith("\ufeffIdentifier"), "\r\n" in after)
    columns = [[row[:4] + row[5:] for row in csv.reader(io.StringIO(text, newline=""))] for text in (before, after)]
    assert columns[0] == columns[1]


def test_a_worksheet_in_another_language_is_read_by_its_places(class_dir):
    """Moodle writes titles and numbers in the user's language: the id is first, the maximum follows the grade, and commas stay."""
    german = MOODLE.replace("Identifier", "ID").replace("Grade,", "Bewertung,").replace("Participant", "Teilnehmer/in")
    german = german.replace(f"{CHECKS:.2f}", f'"{CHECKS:.2f}"'.replace(".", ","))
    (class_dir.parent / "x.csv").write_text(german, newline="")
    export, moodle = sheet(class_dir.parent / "x.csv"), KINDS["moodle"]
    assert ["501", "502", "503", "12", "504"] == [person.id for person in moodle.people(export)]
    assert (4, f"{CHECKS:.2f}".replace(".", ",")) == moodle.column(export, NAME, "Bewertung")


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "\n"])
@pytest.mark.parametrize("lms", KINDS)
def test_a_sheet_of_another_kind_is_refused(lms, text, class_dir, capsys):
    """A file that is not this LMS's export ends in one line that names it."""
    export = class_dir.parent / "x.csv"
    export.write_text(text.replace("1,2", "x,2"))
    assert 2 == main(["lms", lms, "collect", str(class_dir), "00", str(class_dir), "--export", str(export)])
    assert str(export) in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------ hostile archives


def link_to_passwd() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        entry = zipfile.ZipInfo("x.ipynb")
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, "/etc/passwd")
    return made.getvalue()


def lying_bomb() -> bytes:
    """An entry that says it has ten bytes and unpacks to more than is taken."""
    data = packed({"x.ipynb": b"0" * (unpack.EACH + 2)})
    honest = struct.pack("<I", unpack.EACH + 2)
    return data.replace(honest, struct.pack("<I", 10))


HOSTILE = {
    "out of the folder": (packed({"../../x.ipynb": b"x"}), "names a place outside itself"),
    "absolute": (packed({"/etc/x.ipynb": b"x"}), "names a place outside itself"),
    "out of it, on Windows": (packed({"..\\x.ipynb": b"x"}), "names a place outside itself"),
    "another drive": (packed({"C:\\x.ipynb": b"x"}), "names a place outside itself"),
    "too deep": (packed({"a/" * 40 + "x.ipynb": b"x"}), "too deep"),
    "a link": (link_to_passwd(), "holds a link"),
    "a bomb": (packed({"x.ipynb": b"0" * (unpack.EACH + 1)}), "unpacks to more than 64 MB"),
    "a bomb in pieces": (
        packed({f"{n}.bin": b"0" * (unpack.EACH // 4) for n in range(5)}),
        "unpacks to more than 64 MB",
    ),
    "a bomb that lies": (lying_bomb(), "no zip that can be opened"),
    "too many": (packed({f"{n}.txt": b"" for n in range(unpack.MEMBERS + 1)}), "more than 500 files"),
    "no zip": (b"PK\x03\x04 and no more", "no zip that can be opened"),
    "damaged": (packed({"x.ipynb": RIGHT}).replace(zlib.compress(RIGHT)[2:40], b"?" * 38), "no zip that can be opened"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_archive_costs_only_its_own_learner(kind, class_dir, capsys):
    """It is refused with the reason, nothing of it is kept, nothing is written elsewhere; the others are taken in."""
    data, reason = HOSTILE[kind]
    download = packed({"lovelaceada_11_701_x.zip": data, "zusekonrad_12_702_00_start_here.ipynb": RIGHT})
    around = sorted(path.name for path in class_dir.parent.iterdir())
    code, said, found = collected(class_dir, "canvas", CANVAS, download, capsys)
    assert (1, {"zuse": [f"{NAME}/{NAME}.ipynb"]}) == (code, found)
    assert reason in said.partition("lovelaceada_11_701_x.zip: ")[2]
    assert {*around, "download.zip", "export.csv"} == {path.name for path in class_dir.parent.iterdir()}


@pytest.mark.parametrize("kind", ["out of the folder", "a link", "no zip"])
def test_a_hostile_download_is_refused_as_a_whole(kind, class_dir, capsys):
    """No LMS makes such a file, so nothing of it is believed."""
    (class_dir.parent / "export.csv").write_text(CANVAS)
    (class_dir.parent / "download.zip").write_bytes(HOSTILE[kind][0])
    names = [str(class_dir.parent / name) for name in ("download.zip", "export.csv")]
    assert 2 == main(["lms", "canvas", "collect", str(class_dir), "00", names[0], "--export", names[1]])
    assert HOSTILE[kind][1] in capsys.readouterr().err


def test_a_download_that_was_unpacked_already_is_taken_from_its_folder(class_dir, capsys):
    """The same names in a folder are the same hand-ins; a link in it is not followed."""
    folder = class_dir.parent / "unpacked"
    folder.mkdir()
    (folder / "lovelaceada_11_701_00_start_here.ipynb").write_bytes(RIGHT)
    (folder / "zusekonrad_12_702_00_start_here.ipynb").symlink_to("/etc/passwd")
    (class_dir.parent / "export.csv").write_text(CANVAS)
    line = [
        "lms",
        "canvas",
        "collect",
        str(class_dir),
        "00",
        str(folder),
        "--export",
        str(class_dir.parent / "export.csv"),
    ]
    assert 1 == main(line)
    said = capsys.readouterr().out
    assert "zusekonrad_12_702_00_start_here.ipynb: is a link" in said
    assert ["ada"] == [path.name for path in (class_dir / "submitted").iterdir()]


def test_a_learner_cannot_say_when_it_was_handed_in(class_dir, capsys):
    """nbgrader takes the time of a hand-in, and its penalty, from timestamp.txt: one that a learner packed is left out."""
    mine = packed({"00_start_here.ipynb": RIGHT, "timestamp.txt": b"2001-01-01", "data.txt": b"x"})
    _, _, found = collected(class_dir, "canvas", CANVAS, packed({"lovelaceada_LATE_11_701_x.zip": mine}), capsys)
    assert {"ada": [f"{NAME}/{NAME}.ipynb", f"{NAME}/data.txt"]} == found


def test_two_notebooks_of_one_learner_await_a_person(class_dir, capsys):
    """Which one counts is not guessed: named after the lesson, or equal, or listed."""
    two = {"lovelaceada_11_701_a.ipynb": RIGHT, "lovelaceada_11_702_b.ipynb": WRONG}
    named = {"zusekonrad_12_703_a.ipynb": RIGHT, "zusekonrad_12_704_00_start_here-2.ipynb": WRONG}
    _, said, found = collected(class_dir, "canvas", CANVAS, packed({**two, **named}), capsys)
    assert ("which of these notebooks is meant? a.ipynb, b.ipynb" in said, [*found]) == (True, ["zuse"])
    assert WRONG == (class_dir / "submitted" / "zuse" / NAME / f"{NAME}.ipynb").read_bytes()
