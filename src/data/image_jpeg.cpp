// JPEG over libjpeg(-turbo).
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include <jpeglib.h>
#include <jerror.h>

#include "data/image_codecs.h"
#include "dscompress/error.h"

namespace dsc {
namespace {

// libjpeg leaves by a jump: what it jumps over must have no destructors, so all state lies here.
struct Session {
  jpeg_error_mgr errors{};
  jpeg_decompress_struct info{};
  std::jmp_buf exit{};
  char message[JMSG_LENGTH_MAX] = {};
  bool is_cut = false;
  std::vector<std::uint8_t> pixels;
};

void leave(j_common_ptr common) {
  auto* session = static_cast<Session*>(common->client_data);
  common->err->format_message(common, session->message);
  std::longjmp(session->exit, 1);
}

// Of its warnings only the one that half of the picture is made up.
void note(j_common_ptr common, int level) {
  if (level < 0 && common->err->msg_code == JWRN_JPEG_EOF) static_cast<Session*>(common->client_data)->is_cut = true;
}

void read_pixels(Session& session) {
  auto& info = session.info;
  jpeg_start_decompress(&info);
  const std::size_t stride = static_cast<std::size_t>(info.output_width) * static_cast<std::size_t>(info.output_components);
  session.pixels.resize(stride * info.output_height);
  while (info.output_scanline < info.output_height) {
    JSAMPROW row = session.pixels.data() + stride * info.output_scanline;
    jpeg_read_scanlines(&info, &row, 1);
  }
  jpeg_finish_decompress(&info);
}

// returns: false when libjpeg gave up, with its message.
bool read(Session& session, std::FILE* file, bool header_only) {
  auto& info = session.info;
  if (setjmp(session.exit)) return false;
  jpeg_stdio_src(&info, file);
  jpeg_read_header(&info, TRUE);
  if (header_only) return true;
  const bool has_black = info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK;
  info.out_color_space = has_black ? JCS_CMYK : JCS_RGB;
  read_pixels(session);
  return true;
}

using SessionPointer = std::unique_ptr<Session, void (*)(Session*)>;

SessionPointer start_session() {
  SessionPointer session(new Session, [](Session* s) {
    jpeg_destroy_decompress(&s->info);
    delete s;
  });
  session->info.err = jpeg_std_error(&session->errors);
  session->errors.error_exit = leave;
  session->errors.emit_message = note;
  session->info.client_data = session.get();
  jpeg_create_decompress(&session->info);
  return session;
}

SessionPointer run(const std::string& path, bool header_only) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (!file) fail_image(path, "it cannot be opened");
  auto session = start_session();
  if (!read(*session, file.get(), header_only)) fail_image(path, session->message);
  if (session->is_cut) fail_image(path, "it ends in the middle of the picture");
  return session;
}

// What is written, and where; freed with libc, as libjpeg allocates it.
struct Writing {
  jpeg_compress_struct info{};
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  ~Writing() {
    jpeg_destroy_compress(&info);
    std::free(bytes);
  }
};

bool write(Session& session, Writing& writing, const std::vector<std::uint8_t>& pixels, int quality) {
  auto& info = writing.info;
  if (setjmp(session.exit)) return false;
  jpeg_mem_dest(&info, &writing.bytes, &writing.size);
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, quality, TRUE);
  jpeg_start_compress(&info, TRUE);
  const std::size_t stride = static_cast<std::size_t>(info.image_width) * static_cast<std::size_t>(info.input_components);
  while (info.next_scanline < info.image_height) {
    auto* row = const_cast<JSAMPROW>(pixels.data() + stride * info.next_scanline);  // libjpeg reads it only
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  return true;
}

bool read_back(Session& session, const Writing& writing) {
  if (setjmp(session.exit)) return false;
  jpeg_mem_src(&session.info, writing.bytes, writing.size);
  jpeg_read_header(&session.info, TRUE);
  read_pixels(session);
  return true;
}

// Adobe's files hold CMYK inverted, others as it is. In place: red, green and blue of each pixel's four bytes.
void cmyk_to_rgb(std::vector<std::uint8_t>& pixels, bool inverted) {
  const auto light = [inverted](std::uint8_t ink) { return inverted ? ink : 255 - ink; };
  for (std::size_t i = 0; i + 3 < pixels.size(); i += 4) {
    const int black = light(pixels[i + 3]);
    for (std::size_t c = 0; c < 3; ++c) pixels[i + c] = static_cast<std::uint8_t>((light(pixels[i + c]) * black + 127) / 255);
  }
}

}  // namespace

ImageHeader jpeg_header(const std::string& path) {
  const auto session = run(path, true);
  return {.height = session->info.image_height, .width = session->info.image_width};
}

Raster decode_jpeg(const std::string& path, std::int64_t channels) {
  const auto session = run(path, false);
  const std::int64_t step = session->info.output_components;
  if (step == 4) cmyk_to_rgb(session->pixels, session->info.saw_Adobe_marker);
  return raster_of(session->pixels.data(), session->info.output_width, session->info.output_height, step, channels);
}

void through_jpeg(std::vector<std::uint8_t>& pixels, std::int64_t width, std::int64_t height, std::int64_t channels, int quality) {
  const auto session = start_session();
  Writing writing;
  writing.info.err = session->info.err;
  writing.info.client_data = session.get();
  jpeg_create_compress(&writing.info);
  writing.info.image_width = static_cast<JDIMENSION>(width);
  writing.info.image_height = static_cast<JDIMENSION>(height);
  writing.info.input_components = static_cast<int>(channels);
  writing.info.in_color_space = channels == 3 ? JCS_RGB : JCS_GRAYSCALE;
  if (!write(*session, writing, pixels, quality) || !read_back(*session, writing)) {
    throw Error(ErrorCode::data, std::string("a picture cannot be compressed by JPEG: ") + session->message, {}, "JPEG takes pictures of up to 65,535 pixels a side");
  }
  pixels = std::move(session->pixels);
}

}  // namespace dsc
