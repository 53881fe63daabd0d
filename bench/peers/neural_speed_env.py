"""Finds Neural Speed without importing its package, whose front end asks for torch and transformers.
NS_HIDE_AMX names the library made of hide_amx.cpp where AMX is to stay unseen."""

import ctypes
import importlib.util
import os
import sysconfig


def package_directory():
    return os.path.join(sysconfig.get_path("purelib"), "neural_speed")


def llama_module():
    library = os.environ.get("NS_HIDE_AMX")
    if library and ctypes.CDLL(library).hide_amx() != 0:
        raise SystemExit("this processor can't hide AMX: CPUID does not fault (ARCH_SET_CPUID)")
    directory = package_directory()
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    spec = importlib.util.spec_from_file_location("llama_cpp", os.path.join(directory, "llama_cpp" + suffix))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
