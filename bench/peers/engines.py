"""The programs that are compared: how each is installed, given a model, and run."""

import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]

# What `nibble synth --pure` calls each type.
TYPES = {
    "q4_0": "q4_0", "q8_0": "q8_0", "q4_k": "q4_k_s", "q5_k": "q5_k_s", "q6_k": "q6_k", "q3_k": "q3_k_s",
    "iq4_xs": "iq4_xs", "q4_1": "q4_1", "q5_0": "q5_0", "q5_1": "q5_1", "iq4_nl": "iq4_nl", "q2_k": "q2_k",
    "mxfp4": "mxfp4", "bf16": "bf16", "f16": "f16", "int8": "int8", "int4": "int4", "nf4": "nf4",
}
# Instruction sets that nibble may be held to, and what the page calls them.
ISAS = {"native": "", "avx512_vnni": "AVX-512 VNNI", "avx2": "AVX2"}
# Types of nibble's own, which no other GGUF program reads.
OWN_TYPES = ("int8", "int4", "nf4")


def make_environment(directory, requirements, environment=None):
    """A Python environment with the packages of a requirements file, made once per content of that file."""
    subprocess.run([ROOT / "tools/venv.sh", directory, HERE / requirements], check=True,
                   env={**os.environ, **(environment or {})})
    return directory / "bin/python"


def measured(options):
    """Whether there is anything to compare."""
    return options.what != ["profile"]


def lengths(options):
    """Flags of the workers: what is measured, and over how many tokens."""
    what = options.what
    batches = ([1] if "decode" in what else []) + ([options.batch] if "batch" in what else [])
    return ["--threads", options.threads, "--prompt", options.prompt if "prefill" in what else 0,
            "--generate", options.generate, "--batch", ",".join(str(b) for b in batches),
            "--depth", options.depth if "depth" in what else 0]


def state_file(options):
    """llama.cpp's cache after a prefill of --depth tokens, which takes it minutes: of the same size for every type."""
    return options.work / f"{options.shape}-{options.depth}.state"


class Engine:
    name = ""

    def supports(self, shape, type_name, options):
        return True

    def install(self, options):
        pass

    def environment(self, options):
        return None

    def model(self, shape, type_name, options):
        """The GGUF file that nibble and llama.cpp share; random weights, or SmolLM2's own."""
        if shape == "smollm2":
            command = [sys.executable, ROOT / "tools/get_smollm2.py", ROOT / "build/models"]
            return pathlib.Path(subprocess.check_output(command, text=True).split()[-1])
        path = options.work / f"{shape}-{type_name}.gguf"
        if not path.exists():
            subprocess.run([*options.launcher.split(), options.nibble, "synth", "--shape", shape, "--type",
                            TYPES[type_name], "--pure", "--quiet", "-o", path], check=True,
                           stdout=subprocess.DEVNULL)
            # Writing it back to the disk takes half of the memory's bandwidth for as long as it lasts.
            os.sync()
        return path

    def scratch(self, model, options):
        """The model when it was made for this run alone."""
        return model if model.parent == options.work else None


class Nibble(Engine):
    name = "nibble"

    def environment(self, options):
        return None if options.isa == "native" else {**os.environ, "NIBBLE_ISA": options.isa}

    def commands(self, model, options):
        what = options.what
        start = [options.nibble, "bench", model, "--threads", options.threads, "--repeat", 1, "--json", "--quiet"]
        if "profile" in what:
            start.append("--profile")
        prompt = ["--prompt", options.prompt if "prefill" in what or "profile" in what else 0]
        batches = [1] if "decode" in what or "profile" in what else []
        batches += [options.batch] if "batch" in what else []
        decode = ["--generate", options.generate] if batches else ["--generate", 0]
        decode += ["--batch", ",".join(str(b) for b in batches or [1])]
        if what != ["depth"]:
            yield [*start, *prompt, *decode]
        if "depth" in what:
            yield [*start, "--prompt", 0, "--generate", options.generate, "--depth", options.depth,
                   "--kv-type", options.kv_type]


class LlamaCpp(Engine):
    name = "llama.cpp"

    def supports(self, shape, type_name, options):
        return type_name not in OWN_TYPES and measured(options)

    def directory(self, options):
        return options.work / ("llama-avx2" if options.isa == "avx2" else "llama-native")

    def install(self, options):
        # Without pip's cache, which would mistake one build for the other.
        build = {"PIP_NO_CACHE_DIR": "1"}
        if options.isa == "avx2":
            build["CMAKE_ARGS"] = "-DGGML_NATIVE=OFF -DGGML_AVX512=OFF -DGGML_AVX2=ON -DGGML_FMA=ON -DGGML_F16C=ON"
        else:
            # As g++ 12 compiles them, llama.cpp's AMX kernels end with an illegal instruction.
            build["CFLAGS"] = build["CXXFLAGS"] = "-mno-amx-tile -mno-amx-int8 -mno-amx-bf16"
        make_environment(self.directory(options), "requirements-llama.txt", build)

    def commands(self, model, options):
        # A small model's warm-up is cheap, and its speed depends on it more.
        flags = [*lengths(options), "--warm-up", options.prompt if options.shape == "smollm2" else 32]
        if options.isa == "avx2":
            flags.append("--no-avx512")
        if "depth" in options.what:
            flags += ["--state", state_file(options)]
        yield [self.directory(options) / "bin/python", HERE / "llama_worker.py", model, *flags]


class NeuralSpeed(Engine):
    """It takes AMX wherever CPUID shows it, for its files' layout too: hide_amx.cpp holds it to AVX-512 VNNI."""
    name = "neural-speed"

    def supports(self, shape, type_name, options):
        if not (shape == "llama2-7b" and type_name == "int4" and options.isa != "avx2" and measured(options)):
            return False
        if not (3, 9) <= sys.version_info[:2] <= (3, 11):
            print("neural-speed has wheels for Python 3.9 to 3.11 only: left out", file=sys.stderr)
            return False
        return True

    def install(self, options):
        self.python = make_environment(options.work / "neural-speed", "requirements-neural-speed.txt")
        if options.isa == "avx512_vnni":
            subprocess.run(["g++", "-O1", "-shared", "-fPIC", "-o", self.hide_amx(options), HERE / "hide_amx.cpp"],
                           check=True)

    def hide_amx(self, options):
        return options.work / "hide_amx.so"

    def environment(self, options):
        return {**os.environ, "NS_HIDE_AMX": self.hide_amx(options)} if options.isa == "avx512_vnni" else None

    def model(self, shape, type_name, options):
        path = options.work / f"{shape}-int4-g128-{options.isa}.ns.bin"
        if not path.exists():
            subprocess.run([*options.launcher.split(), self.python, HERE / "neural_speed_model.py", path],
                           env=self.environment(options),
                           check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            os.sync()
        return path

    def commands(self, model, options):
        yield [self.python, HERE / "neural_speed_worker.py", model, *lengths(options)]


ENGINES = {engine.name: engine for engine in (Nibble(), LlamaCpp(), NeuralSpeed())}
