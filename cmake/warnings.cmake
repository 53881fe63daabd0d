# Warnings and sanitizers shared by every target of the project.
add_library(nibble_options INTERFACE)
target_compile_options(nibble_options INTERFACE
  -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wno-unused-parameter -Wno-restrict -Wno-missing-field-initializers)

if(NIBBLE_SANITIZE)
  target_compile_options(nibble_options INTERFACE
    -fsanitize=${NIBBLE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(nibble_options INTERFACE -fsanitize=${NIBBLE_SANITIZE})
endif()
