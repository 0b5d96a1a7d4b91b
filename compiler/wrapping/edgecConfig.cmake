# A model is one more compiled input: find_package(edgec) gives add_edgec_model().
#
#   execute_process(COMMAND edgec --cmake-dir OUTPUT_VARIABLE edgec_DIR OUTPUT_STRIP_TRAILING_WHITESPACE)
#   find_package(edgec CONFIG REQUIRED)
#   add_edgec_model(faces PROJECT models/edgec.toml TARGET raspberry-pi-5)
#   target_link_libraries(app PRIVATE faces onnxruntime::onnxruntime)
#
# add_edgec_model(<name> PROJECT <edgec.toml> TARGET <one of its targets> [OPTIONS <of edgec build>...])
#   builds one bundle, again when the project file, the model, its weights or its samples change, and fails where the
#   contract is broken. It makes
#     <name>           an INTERFACE library: the include folder of <name>.hpp, which `edgec wrap` writes
#     EDGEC_BUNDLE     a property of it: the folder of the bundle, to install or to open
cmake_minimum_required(VERSION 3.20)
include_guard(GLOBAL)

find_program(EDGEC_EXECUTABLE edgec DOC "The edgec that compiles models")

function(add_edgec_model name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "PROJECT;TARGET" "OPTIONS")
  foreach(option PROJECT TARGET)
    if(NOT arg_${option})
      message(FATAL_ERROR "add_edgec_model(${name}): ${option} is missing")
    endif()
  endforeach()
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "add_edgec_model(${name}): ${arg_UNPARSED_ARGUMENTS} is no argument of it")
  endif()
  if(NOT name MATCHES "^[a-z][a-z0-9]*(_[a-z0-9]+)*$")
    message(FATAL_ERROR "add_edgec_model(${name}): the name is a namespace of C++ too: small letters, parts joined by _")
  endif()
  if(NOT EDGEC_EXECUTABLE)
    message(FATAL_ERROR "add_edgec_model(${name}): edgec is not on the path; install it, or set EDGEC_EXECUTABLE")
  endif()

  get_filename_component(project "${arg_PROJECT}" ABSOLUTE)
  set(folder "${CMAKE_CURRENT_BINARY_DIR}/${name}.edgec")
  set(bundle "${folder}/bundle")
  set(header "${folder}/include/${name}.hpp")
  add_custom_command(
    OUTPUT "${bundle}/manifest.json" "${header}"
    # Make deletes the outputs of a command that fails, and a bundle without its manifest is none to write over.
    COMMAND "${CMAKE_COMMAND}" -E rm -rf "${bundle}"
    COMMAND "${EDGEC_EXECUTABLE}" build "${project}" --target "${arg_TARGET}" --bundle "${bundle}"
            --depfile "${folder}/bundle.d" --quiet ${arg_OPTIONS}
    COMMAND "${EDGEC_EXECUTABLE}" wrap "${bundle}" --language cpp --name "${name}" --output "${folder}/include" --quiet
    DEPENDS "${project}"
    DEPFILE "${folder}/bundle.d"
    COMMENT "Compiling model ${name} for ${arg_TARGET}"
    VERBATIM)
  add_custom_target(${name}_bundle DEPENDS "${bundle}/manifest.json" "${header}")
  add_library(${name} INTERFACE)
  add_dependencies(${name} ${name}_bundle)
  target_include_directories(${name} INTERFACE "${folder}/include")
  target_compile_features(${name} INTERFACE cxx_std_17)
  set_target_properties(${name} PROPERTIES EDGEC_BUNDLE "${bundle}")
endfunction()
