# Writes a C++ source that defines `std::string_view FUNCTION()` in namespace nibble with the content of
# a file:  cmake -DINPUT=file -DOUTPUT=source.cpp -DHEADER=path/from/src.h -DFUNCTION=name -P this file
file(READ ${INPUT} bytes HEX)
string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
file(WRITE ${OUTPUT} "#include \"${HEADER}\"

namespace nibble {

static constexpr unsigned char kBytes[] = {
${bytes}};

std::string_view ${FUNCTION}() {
  return {reinterpret_cast<const char*>(kBytes), sizeof(kBytes)};
}

}  // namespace nibble
")
