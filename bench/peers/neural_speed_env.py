"""Finds Neural Speed without importing its package, whose front end asks for torch and transformers."""

import importlib.util
import os
import sysconfig


def package_directory():
    return os.path.join(sysconfig.get_path("purelib"), "neural_speed")


def llama_module():
    directory = package_directory()
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    spec = importlib.util.spec_from_file_location("llama_cpp", os.path.join(directory, "llama_cpp" + suffix))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
