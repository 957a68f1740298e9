"""The training example reaches its accuracy and draws its curves."""

import importlib.util
from pathlib import Path
from xml.etree import ElementTree

FILE = Path(__file__).resolve().parents[2] / "examples" / "train_digits.py"


def test_digits_are_learned_and_curves_are_drawn(tmp_path, capsys):
    spec = importlib.util.spec_from_file_location("train_digits", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    output = tmp_path / "loss.svg"
    assert module.main(["--quick", "--output", str(output)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and all("accuracy 9" in line for line in lines[:2])
    for line in lines[:2]:
        words = line.split()
        stored, saved = (float(words[k - 1]) for k, word in enumerate(words) if word.startswith("MB"))
        assert saved < stored
    drawn = ElementTree.parse(output).getroot()
    curves = [e for e in drawn if e.tag.endswith("polyline")]
    assert len(curves) == 2 and all(len(e.get("points").split()) == 12 for e in curves)
