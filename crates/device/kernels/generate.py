"""Compiles the kernels to PTX with a pinned NVRTC, which needs no GPU and no CUDA.

    python crates/device/kernels/generate.py            # writes kernels.ptx
    python crates/device/kernels/generate.py --check    # compares it; compiles for each GPU, and refuses spills

NVRTC comes as a wheel from PyPI, into a folder of its own. Version 12.1.105 writes PTX 8.1, which drivers of CUDA 12.1
and later read. PTX of compute_80 runs on every GPU since Ampere. The same sources give the same bytes each time.
"""

import argparse
import ctypes
import pathlib
import re
import subprocess
import sys
import tempfile
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
PTX = HERE / "kernels.ptx"
PACKAGE = "nvidia-cuda-nvrtc-cu12"
PINNED = "12.1.105"
NEWER = "12.9.86"

# The text of one compilation, file by file. A file with a list stands there once for each entry: NAMED(x) is x with the
# entry's name, and the entry's definitions hold.
F32 = ("f32", {"T": "float"})
BF16 = ("bf16", {"T": "bf16"})
BOTH = [F32, BF16]
WIDTHS = [(str(width), {"WIDTH": str(width)}) for width in (32, 64, 128)]
SOURCES = [
    ("shared/element.cuh", None),
    ("shared/sum.cuh", None),
    ("shared/random.cuh", None),
    ("shared/activation.cuh", None),
    ("shared/attention.cuh", None),
    ("shared/fragments.cuh", None),
    ("elementwise/activation.cu", BOTH),
    ("elementwise/arithmetic.cu", BOTH),
    ("elementwise/casts.cu", None),
    ("rows/layer_norm.cu", BOTH),
    ("rows/sums.cu", BOTH),
    ("rows/embedding.cu", BOTH),
    ("rows/normalize.cu", BOTH),
    ("attention/tensor_cores.cu", WIDTHS),
    ("attention/plain.cu", BOTH),
    ("learning/loss.cu", BOTH),
    ("learning/squares.cu", BOTH),
    ("learning/optimizer.cu", None),
    ("product/product.cu", None),
]
HEADERS = [name for name, _ in SOURCES if name.endswith(".cuh")]


def text(read=lambda name: (HERE / name).read_text(encoding="utf-8"), sources=tuple(SOURCES)):
    """Returns sources as one text."""
    parts = []
    for name, entries in sources:
        body = read(name)
        for suffix, definitions in entries or [("", {})]:
            if suffix:
                definitions = {"NAMED(name)": f"name##_{suffix}", **definitions}
            parts += [f"#define {key} {value}\n" for key, value in definitions.items()]
            parts.append(f'#line 1 "{name}"\n{body}')
            parts += [f"#undef {key.split('(')[0]}\n" for key in definitions]
    return "".join(parts)


def nvrtc(version, cache):
    """Returns the library of a version, downloaded to `cache` if it is not there."""
    folder = pathlib.Path(cache) / version
    if not list(folder.rglob("libnvrtc.so.12")):
        command = ["pip", "download", "--quiet", "--no-deps", "--dest", folder, f"{PACKAGE}=={version}"]
        subprocess.run([sys.executable, "-m", *command], check=True)
        for wheel in folder.glob("*.whl"):
            zipfile.ZipFile(wheel).extractall(folder)
    library = next(folder.rglob("libnvrtc.so.12"))
    # It loads its built-in functions by name: from memory, if they are there already.
    for builtins in library.parent.glob("libnvrtc-builtins.so*"):
        ctypes.CDLL(str(builtins), mode=ctypes.RTLD_GLOBAL)
    return ctypes.CDLL(str(library))


def compiled(library, source, architecture, *options):
    """Returns what a source is for an architecture (PTX for compute_…, else a cubin), and the compiler's log."""

    def fetched(name):
        size = ctypes.c_size_t()
        getattr(library, f"nvrtcGet{name}Size")(program, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        getattr(library, f"nvrtcGet{name}")(program, buffer)
        return buffer.raw[: size.value]

    program = ctypes.c_void_p()
    code = library.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernels.cu", 0, None, None)
    assert code == 0, f"nvrtcCreateProgram: {code}"
    arguments = [f"--gpu-architecture={architecture}", "--device-as-default-execution-space", *options]
    values = (ctypes.c_char_p * len(arguments))(*(argument.encode() for argument in arguments))
    failed = library.nvrtcCompileProgram(program, len(arguments), values)
    log = fetched("ProgramLog").rstrip(b"\0").decode().strip()
    result = None if failed else fetched("PTX" if architecture.startswith("compute") else "CUBIN")
    library.nvrtcDestroyProgram(ctypes.byref(program))
    return result, log


def ptx(library, source):
    """Returns the PTX of a source in short form (no comments, no indentation), or raises what the compiler says."""
    result, log = compiled(library, source, "compute_80")
    if result is None:
        raise RuntimeError(log)
    text = re.sub(r"//.*", "", result.rstrip(b"\0").decode())
    # Names of parameters and labels repeat the kernel's: a number is enough, since each kernel has its own names.
    text = re.sub(r"\b\w+_param_(\d+)\b", r"p\1", text)
    # Constants of CUDA's own header, which nothing reads.
    text = re.sub(r"(?m)^\.global .*_INTERNAL_.*\n", "", text)
    text = re.sub(r"\$L__BB\d+_(\d+)\b", r"$L\1", text)
    text = re.sub(r"[ \t]+", " ", text).replace(", ", ",")
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line) + "\n"


def check_gpus(cache, source):
    """Compiles for each kind of GPU; returns the faults: what does not compile, and what spills registers."""
    faults = []
    for version, architecture in [(PINNED, "sm_80"), (PINNED, "sm_90"), (NEWER, "sm_100")]:
        result, log = compiled(nvrtc(version, cache), source, architecture, "--ptxas-options=-v")
        if result is None:
            faults.append(f"{architecture}: {log}")
            continue
        kernel, most = "", (0, "")
        for line in log.splitlines():
            if named := re.search(r"Compiling entry function '(\w+)'", line):
                kernel = named[1]
            if (spilled := re.search(r"(\d+) bytes spill stores", line)) and spilled[1] != "0":
                faults.append(f"{architecture}: {kernel}: {line.strip()}")
            if used := re.search(r"Used (\d+) registers", line):
                most = max(most, (int(used[1]), kernel))
        print(f"{architecture} (NVRTC {version}): {len(result)} bytes; at most {most[0]} registers, in {most[1]}")
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with what is there, and compile for each GPU")
    parser.add_argument("--cache", default=f"{tempfile.gettempdir()}/nvrtc", help="where the wheels are kept")
    arguments = parser.parse_args()
    source = text()
    result = ptx(nvrtc(PINNED, arguments.cache), source)
    if not arguments.check:
        PTX.write_text(result, encoding="utf-8")
        print(f"{PTX.name}: {len(result)} bytes, {result.count('.entry')} kernels")
        return
    faults = check_gpus(arguments.cache, source)
    if not PTX.exists() or PTX.read_text(encoding="utf-8") != result:
        faults.append(f"{PTX.name} is not what the sources give: run generate.py")
    for fault in faults:
        print(fault, file=sys.stderr)
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
