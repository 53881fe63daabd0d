# Writes a C++ source that defines page_files() of serve/page_files.h with every file of a directory, compressed:
#   cmake [-DINPUT=web/dist -DSCRATCH=directory] -DOUTPUT=source.cpp -P this file
# Without INPUT there are none.
cmake_minimum_required(VERSION 3.25)
set(arrays "")
set(rows "")
if(INPUT)
  file(GLOB_RECURSE files RELATIVE ${INPUT} ${INPUT}/*)
  list(FILTER files EXCLUDE REGEX "\\.map$")
  list(SORT files)
  if(NOT "index.html" IN_LIST files)
    message(FATAL_ERROR "${INPUT}/index.html is not there: 'npm run build' in web/ makes it")
  endif()
  file(MAKE_DIRECTORY ${SCRATCH})
  set(number 0)
  foreach(name ${files})
    math(EXPR number "${number} + 1")
    set(compressed ${SCRATCH}/${number}.gz)
    file(ARCHIVE_CREATE OUTPUT ${compressed} PATHS ${INPUT}/${name} FORMAT raw COMPRESSION GZip COMPRESSION_LEVEL 9)
    file(SHA256 ${INPUT}/${name} hash)
    string(SUBSTRING ${hash} 0 16 hash)
    file(READ ${compressed} bytes HEX)
    # Bytes 4 to 7 are the time of compression: without it the same page makes the same program.
    string(SUBSTRING "${bytes}" 0 8 begin)
    string(SUBSTRING "${bytes}" 16 -1 rest)
    set(bytes "${begin}00000000${rest}")
    string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
    string(APPEND arrays "constexpr unsigned char kFile${number}[] = {\n${bytes}};\n")
    string(APPEND rows "    {\"/${name}\", view(kFile${number}), \"\\\"${hash}\\\"\"},\n")
  endforeach()
endif()
if(rows)
  set(body "  static const PageFile kFiles[] = {\n${rows}  };\n  return kFiles;")
else()
  set(body "  return {};")
endif()
file(WRITE ${OUTPUT} "#include \"serve/page_files.h\"

#include <cstddef>

namespace nibble {

namespace {

template <size_t N>
[[maybe_unused]] std::string_view view(const unsigned char (&bytes)[N]) {
  return {reinterpret_cast<const char*>(bytes), N};
}

${arrays}
}  // namespace

std::span<const PageFile> page_files() {
${body}
}

}  // namespace nibble
")
