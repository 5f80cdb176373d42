#include "matrix_by_tokens.h"

#include <string>
#include <utility>

namespace nmt_prune {
namespace {

class MatrixByTokens final : public Matrix {
 public:
  MatrixByTokens(const Matrix& few, std::int64_t limit, const Matrix& many)
      : Matrix(few.rows(), few.columns()),
        few_(few),
        limit_(limit),
        many_(many),
        format_(few.format()) {
    if (format_ != many.format()) format_ += " up to " + std::to_string(limit) + " tokens, then " + many.format();
  }

  MatrixByTokens(std::unique_ptr<Matrix> few, std::int64_t limit, std::unique_ptr<Matrix> many)
      : MatrixByTokens(*few, limit, *many) {
    own_few_ = std::move(few);
    own_many_ = std::move(many);
  }

  void multiply(const float* input, std::int64_t tokens, const float* bias, Activation activation, float* output,
                Workspace& workspace) const override {
    of(tokens).multiply(input, tokens, bias, activation, output, workspace);
  }

  void row(std::int64_t index, float* output) const override { few_.row(index, output); }
  std::unique_ptr<Matrix> select(const std::vector<std::int32_t>& rows, std::int64_t tokens) const override {
    if (tokens <= limit_) return few_.select(rows, tokens);
    return matrix_by_tokens(few_.select(rows, limit_), limit_, many_.select(rows, tokens));
  }
  const char* format() const override { return format_.c_str(); }
  std::size_t nbytes() const override { return few_.nbytes() + many_.nbytes(); }
  std::size_t bytes_read(std::int64_t tokens) const override { return of(tokens).bytes_read(tokens); }

 private:
  const Matrix& of(std::int64_t tokens) const { return tokens <= limit_ ? few_ : many_; }

  const Matrix& few_;
  std::int64_t limit_;
  const Matrix& many_;
  std::unique_ptr<Matrix> own_few_, own_many_;  // where nobody else has them
  std::string format_;
};

}  // namespace

std::unique_ptr<Matrix> matrix_by_tokens(const Matrix& few, std::int64_t limit, const Matrix& many) {
  return std::make_unique<MatrixByTokens>(few, limit, many);
}

std::unique_ptr<Matrix> matrix_by_tokens(std::unique_ptr<Matrix> few, std::int64_t limit,
                                         std::unique_ptr<Matrix> many) {
  return std::make_unique<MatrixByTokens>(std::move(few), limit, std::move(many));
}

}  // namespace nmt_prune
