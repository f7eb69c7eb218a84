"""What a script does with a golden file that it derived: write it, or compare it with the one that is there."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent / "golden"


def settle(name, text, check):
    """Writes the file `name` of golden/, or compares it; returns the exit status, 1 on a difference."""
    path = ROOT / name
    print(f"{path.name}: {text.count(chr(10))} lines, {len(text.encode())} bytes")
    if not check:
        path.write_text(text, encoding="utf-8")
        return 0
    same = path.exists() and path.read_text(encoding="utf-8") == text
    print("same" if same else "differs")
    return int(not same)
