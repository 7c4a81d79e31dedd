# Everything that comes from outside. Python wheels (LibTorch, OpenVINO) are found in .venv unless CMAKE_PREFIX_PATH names
# others; versions are pinned in scripts/versions.txt.
file(GLOB dsc_site_packages ${CMAKE_SOURCE_DIR}/.venv/lib/python3*/site-packages)
if(dsc_site_packages)
  list(GET dsc_site_packages 0 dsc_site_packages)
  list(APPEND CMAKE_PREFIX_PATH ${dsc_site_packages}/torch/share/cmake)
  if(NOT OpenVINO_DIR AND EXISTS ${dsc_site_packages}/openvino/cmake)
    set(OpenVINO_DIR ${dsc_site_packages}/openvino/cmake CACHE PATH "OpenVINOConfig.cmake's folder" FORCE)
  endif()
endif()

find_package(Torch REQUIRED)
if(Torch_VERSION VERSION_LESS 2.11 OR Torch_VERSION VERSION_GREATER_EQUAL 2.14)
  message(WARNING "LibTorch ${Torch_VERSION} is outside the tested range 2.11 to 2.13")
endif()
find_package(yaml-cpp REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)  # .gz data files
find_package(SQLite3 REQUIRED)  # history of nights
find_package(JPEG REQUIRED)
find_package(TIFF REQUIRED)
find_path(DSC_WEBP_INCLUDE webp/demux.h REQUIRED)
find_library(DSC_WEBP_LIBRARY webp REQUIRED)
find_library(DSC_WEBPDEMUX_LIBRARY webpdemux REQUIRED)
set(DSC_IMAGE_LIBRARIES JPEG::JPEG TIFF::TIFF ${DSC_WEBPDEMUX_LIBRARY} ${DSC_WEBP_LIBRARY})
find_path(DSC_BOOST_INCLUDE boost/beast/http.hpp REQUIRED)  # headers only: HTTP of dscompress serve
find_path(DSC_SPDLOG_INCLUDE spdlog/spdlog.h REQUIRED)
find_path(DSC_STB_INCLUDE stb/stb_image.h REQUIRED)
find_path(DSC_XXHASH_INCLUDE xxhash.h REQUIRED)
if(DSCOMPRESS_OPENVINO)
  find_package(OpenVINO REQUIRED COMPONENTS Runtime PyTorch)
  # Loaded when text is tokenised, never linked: OpenVINO's own way to add operators.
  find_library(DSC_TOKENIZERS_LIBRARY openvino_tokenizers REQUIRED PATHS ${dsc_site_packages}/openvino_tokenizers/lib ${OpenVINO_DIR}/../libs)
endif()
if(DSCOMPRESS_TESTS)
  find_package(GTest REQUIRED)
endif()

find_program(DSC_CCACHE ccache)
if(DSC_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${DSC_CCACHE})
endif()
