#!/usr/bin/env python3
"""Counts what the CUDA kernels of all algorithms come to, without a GPU.

    adit kernels | python3 benches/cuda/count.py [--arch sm_90] [--most 1.12] [--everywhere]

Compiles each algorithm's CUDA source with NVRTC, disassembles it, and prints one JSON object a line: instructions of
`search` (all of which one nonce executes: there are no loops in kernels that have an operation count), how many of them
do arithmetic, how many of these the units for logic and shifts, registers, spills, and the ratios of both to what an
algorithm cannot do without. Exits with 1 when a kernel that has an operation count spills or a ratio is above --most. With --everywhere it also compiles for every GPU generation that Adit supports.

Needs three packages of NVIDIA's, which also install without a GPU:

    pip install nvidia-cuda-nvrtc nvidia-cuda-nvdisasm nvidia-cuda-cuobjdump
"""

import argparse
import collections
import ctypes
import importlib.util
import json
import pathlib
import re
import subprocess
import sys
import tempfile

# Arithmetic that a nonce cannot do without, sums included, where the algorithm states its operations without sums. Sums of
# three stand as one here; as multiplications by one, which go to other units, they are two: a kernel may have more and be faster.
LEAST = {"sha256d": 2467, "blake2s-kda": 890}
EVERYWHERE = ["sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100"]
ARITHMETIC = {"SHF", "LOP3", "IADD3", "IMAD", "VIADD", "PRMT", "LEA", "IADD", "SHL", "SHR", "LOP", "XMAD", "VIADDMNMX"}
# Multiplications and sums by them have units of their own.
BESIDE = {"IMAD", "XMAD"}
INSTRUCTION = re.compile(r"/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\d+ )?([A-Z][A-Z0-9_]*)")


def package_files():
    """NVIDIA's packages put everything under one folder."""
    spec = importlib.util.find_spec("nvidia")
    roots = list(spec.submodule_search_locations) if spec else []
    found = {}
    for root in map(pathlib.Path, roots):
        for name, pattern in [("nvrtc", "**/libnvrtc.so.*"), ("nvdisasm", "**/nvdisasm"), ("cuobjdump", "**/cuobjdump")]:
            files = [file for file in root.glob(pattern) if file.is_file() and "alt" not in file.name]
            if files:
                found.setdefault(name, files[0])
    missing = {"nvrtc", "nvdisasm", "cuobjdump"} - set(found)
    if missing:
        sys.exit(f"count.py: {', '.join(sorted(missing))} not found; pip install nvidia-cuda-nvrtc "
                 "nvidia-cuda-nvdisasm nvidia-cuda-cuobjdump")
    return found


def compile_source(nvrtc, source, arch):
    """A cubin, or an exception with the compiler's words."""
    program = ctypes.c_void_p()
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernels.cu", 0, None, None)
    options = (ctypes.c_char_p * 1)(f"--gpu-architecture={arch}".encode())
    status = nvrtc.nvrtcCompileProgram(program, 1, options)
    size = ctypes.c_size_t()
    if status != 0:
        nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value)
        nvrtc.nvrtcGetProgramLog(program, log)
        raise RuntimeError(log.value.decode())
    nvrtc.nvrtcGetCUBINSize(program, ctypes.byref(size))
    cubin = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetCUBIN(program, cubin)
    return cubin.raw


def run(program, *arguments):
    return subprocess.run([program, *arguments], check=True, capture_output=True, text=True, timeout=120).stdout


def measure(files, cubin):
    """Instructions of `search`, its registers, and bytes of stack and local memory."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        listing = run(files["nvdisasm"], "-c", file.name)
        usage = run(files["cuobjdump"], "-res-usage", file.name)
    section, counts = None, collections.Counter()
    for line in listing.splitlines():
        name = re.match(r"\s*\.text\.(\w+):", line)
        section = name.group(1) if name else section
        instruction = INSTRUCTION.search(line)
        if instruction and section == "search" and instruction.group(1) != "NOP":
            counts[instruction.group(1)] += 1
    resources = re.search(r"Function search:\s+REG:(\d+) STACK:(\d+) SHARED:(\d+) LOCAL:(\d+)", usage)
    registers, stack, shared, local = map(int, resources.groups())
    return counts, {"registers": registers, "stack": stack, "shared": shared, "local": local}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", default="sm_90")
    parser.add_argument("--most", type=float, default=1.12)
    parser.add_argument("--everywhere", action="store_true")
    arguments = parser.parse_args()
    files = package_files()
    nvrtc = ctypes.CDLL(str(files["nvrtc"]))
    failed = False
    for algorithm in json.load(sys.stdin)["algorithms"]:
        source = algorithm["sources"].get("cuda")
        if source is None:
            continue
        line = {"event": "kernel", "algorithm": algorithm["name"], "arch": arguments.arch}
        if arguments.everywhere:
            line["compiled_for"] = [arch for arch in EVERYWHERE if compile_source(nvrtc, source, arch)]
        counts, resources = measure(files, compile_source(nvrtc, source, arguments.arch))
        arithmetic = sum(count for name, count in counts.items() if name in ARITHMETIC)
        line |= {"instructions": sum(counts.values()), "arithmetic": arithmetic, **resources}
        if algorithm["operations"]:
            logic = sum(count for name, count in counts.items() if name in ARITHMETIC - BESIDE)
            line |= {"logic": logic, "logic_ratio": round(logic / algorithm["operations"], 4)}
            line["ratio"] = round(arithmetic / LEAST.get(algorithm["name"], arithmetic), 4)
            spills = resources["stack"] + resources["local"] > 0
            failed |= spills or max(line["ratio"], line["logic_ratio"]) > arguments.most
        line["kinds"] = dict(counts.most_common(8))
        print(json.dumps(line))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
