#include "translation.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <functional>
#include <thread>

#include "next_words.h"

namespace nmt_prune {

void check_tokens(const Sentence& tokens, std::int64_t vocabulary, const Symbols& symbols, const std::string& what) {
  for (const std::int32_t token : tokens)
    if (token < 0 || token >= vocabulary || token == symbols.pad)
      throw InvalidInput(what + " has the token " + std::to_string(token) + ", which the dictionary of " +
                         std::to_string(vocabulary) + " symbols does not have as a word");
}

namespace {

// Rows of logits that are made at once: they should not leave the cache before they are looked at.
constexpr std::int64_t logits_at_once = std::int64_t{1} << 20;
constexpr std::int64_t words_at_least = 24;  // and a multiple of it: what one reading of the weights serves
// Source words that are encoded at once.
constexpr std::int64_t encoded_at_once = 1024;

}  // namespace

Model::Model(const Architecture& architecture, Parameters& parameters, const Symbols& symbols, bool with_halves)
    : symbols_(symbols),
      encoder_(architecture.encoder, parameters, symbols.pad),
      decoder_(architecture.decoder, architecture.encoder.dim, parameters, symbols.pad, with_halves) {
  parameters.refuse_unused();
  for (const std::int32_t symbol : {symbols.pad, symbols.eos, symbols.unk})
    if (symbol < 0 || symbol >= encoder_.vocabulary() || symbol >= decoder_.vocabulary())
      throw InvalidInput("the dictionaries are too small for the special symbol " + std::to_string(symbol));
}

std::int64_t Model::max_len(const Sentence& source, const SearchOptions& options) const {
  const double wanted = std::trunc(options.max_len_a * static_cast<double>(source.size()) +
                                   static_cast<double>(options.max_len_b));
  return static_cast<std::int64_t>(std::min(wanted, static_cast<double>(decoder_.max_positions() - 1)));
}

void Model::check(const std::vector<Sentence>& sources) const {
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const std::string name = "source " + std::to_string(i);
    check_tokens(sources[i], encoder_.vocabulary(), symbols_, name);
    const auto length = static_cast<std::int64_t>(sources[i].size());
    if (length < 1 || length > encoder_.max_positions())
      throw InvalidInput(name + " has " + std::to_string(length) + " tokens; the model takes 1 to " +
                         std::to_string(encoder_.max_positions()));
  }
}

void Model::check_draws(const std::vector<std::vector<double>>& draws, const std::vector<Sentence>& sources,
                        const SearchOptions& options) const {
  if (!options.sampling) return;
  bool fit = draws.size() == sources.size();
  for (std::size_t i = 0; fit && i < draws.size(); ++i)
    fit = static_cast<std::int64_t>(draws[i].size()) == options.beam * (max_len(sources[i], options) + 1) &&
          std::all_of(draws[i].begin(), draws[i].end(), [](double draw) { return draw >= 0 && draw < 1; });
  if (!fit)
    throw InvalidInput("sampling takes beam x (max_len + 1) draws of each source, from 0 to 1; make them with "
                       "nmt_prune.runtime.sampling.draws");
}

void Model::check(const std::vector<Sentence>& sources, const SearchOptions& options,
                  const std::vector<Sentence>& prefixes) const {
  if (options.beam < 1 || (options.beam >= decoder_.vocabulary() && !options.sampling))
    throw InvalidInput("beam is " + std::to_string(options.beam) + ", not from 1 to the number of target words");
  if (options.nbest < 1 || options.nbest > options.beam)
    throw InvalidInput("nbest is " + std::to_string(options.nbest) + ", not from 1 to beam");
  if (!(options.temperature > 0)) throw InvalidInput("temperature is not above 0");
  if (std::isnan(options.unkpen) || std::isnan(options.lenpen) || std::isnan(options.max_len_a))
    throw InvalidInput("an option is not a number");
  if (!prefixes.empty() && prefixes.size() != sources.size())
    throw InvalidInput("there are " + std::to_string(prefixes.size()) + " prefixes of " +
                       std::to_string(sources.size()) + " sources");
  if (options.sampling_topk < 0 || !(options.sampling_topp >= 0 && options.sampling_topp <= 1))
    throw InvalidInput("sampling_topk is below 0, or sampling_topp not from 0 to 1");
  check(sources);
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const std::int64_t longest = max_len(sources[i], options);
    if (longest < std::max<std::int64_t>(options.min_len, 0))
      throw InvalidInput("source " + std::to_string(i) + ": min_len " + std::to_string(options.min_len) +
                         " is above max_len " + std::to_string(longest));
  }
  for (std::size_t i = 0; i < prefixes.size(); ++i)
    check_tokens(prefixes[i], decoder_.vocabulary(), symbols_, "prefix " + std::to_string(i));
}

void Model::check_words(const std::vector<std::int32_t>& words, const std::vector<Sentence>& prefixes) const {
  if (words.empty()) return;
  check_tokens(words, decoder_.vocabulary(), Symbols{-1, -1, -1}, "the list of words");
  if (std::adjacent_find(words.begin(), words.end(), std::greater_equal<>()) != words.end())
    throw InvalidInput("the list of words does not ascend");
  const auto need = [&](std::int32_t word) {
    if (!std::binary_search(words.begin(), words.end(), word))
      throw InvalidInput("the list of words lacks " + std::to_string(word) + ", which a translation must have");
  };
  need(symbols_.eos);
  for (const Sentence& prefix : prefixes) std::for_each(prefix.begin(), prefix.end(), need);
}

std::vector<std::vector<Hypothesis>> Model::search(const std::vector<Sentence>& sources, const SearchOptions& options,
                                                   const std::vector<Sentence>& prefixes, std::int64_t threads,
                                                   const std::vector<std::int32_t>& words,
                                                   const std::vector<std::vector<double>>& draws) const {
  check(sources, options, prefixes);
  check_words(words, prefixes);
  check_draws(draws, sources, options);
  static const Sentence no_prefix;
  static const std::vector<double> no_draws;
  std::vector<std::vector<Hypothesis>> results(sources.size());
  std::vector<Job> jobs;
  for (std::size_t i = 0; i < sources.size(); ++i)
    jobs.push_back({&sources[i], prefixes.empty() ? &no_prefix : &prefixes[i],
                    options.sampling ? &draws[i] : &no_draws, &results[i]});
  // Dealt out by length, so that all threads take about as long.
  std::stable_sort(jobs.begin(), jobs.end(),
                   [](const Job& a, const Job& b) { return a.source->size() > b.source->size(); });
  const auto parts = std::clamp<std::int64_t>(threads, 1, std::max<std::int64_t>(1, jobs.size()));
  std::vector<std::vector<Job>> shares(parts);
  for (std::size_t i = 0; i < jobs.size(); ++i) shares[i % parts].push_back(jobs[i]);

  const std::int64_t at_once = std::max<std::int64_t>(1, hypotheses_at_once / options.beam);
  const std::int64_t most = std::min(at_once, static_cast<std::int64_t>(shares[0].size())) * options.beam;
  const OutputWords output = words.empty() ? OutputWords(decoder_.output()) : OutputWords(decoder_.output(), words, most);

  std::vector<std::exception_ptr> failures(parts);
  const auto work = [&](std::int64_t part) {
    try {
      std::unique_ptr<Scratch> scratch = borrow_scratch();
      const auto count = static_cast<std::int64_t>(shares[part].size());
      for (std::int64_t first = 0; first < count; first += at_once) {
        const auto begin = shares[part].begin() + first;
        translate({begin, begin + std::min(at_once, count - first)}, options, output, *scratch);
      }
      return_scratch(std::move(scratch));
    } catch (...) {
      failures[part] = std::current_exception();
    }
  };
  std::vector<std::thread> others;
  for (std::int64_t part = 1; part < parts; ++part) others.emplace_back(work, part);
  work(0);
  for (std::thread& thread : others) thread.join();
  for (const std::exception_ptr& failure : failures)
    if (failure) std::rethrow_exception(failure);
  return results;
}

std::vector<SourceMemory> Model::encode(const std::vector<Job>& jobs, Scratch& scratch) const {
  std::vector<SourceMemory> memories;
  for (std::size_t first = 0; first < jobs.size();) {
    std::vector<const Sentence*> sentences;
    std::vector<std::int64_t> lengths;
    std::int64_t rows = 0;
    for (; first < jobs.size() && rows < encoded_at_once; ++first) {
      sentences.push_back(jobs[first].source);
      lengths.push_back(static_cast<std::int64_t>(jobs[first].source->size()));
      rows += lengths.back();
    }
    std::vector<SourceMemory> some = decoder_.remember(encoder_.encode(sentences, scratch), lengths, scratch);
    std::move(some.begin(), some.end(), std::back_inserter(memories));
  }
  return memories;
}

void Model::translate(const std::vector<Job>& jobs, const SearchOptions& options, const OutputWords& output,
                      Scratch& scratch) const {
  const std::vector<SourceMemory> memories = encode(jobs, scratch);
  std::int64_t longest = 0;
  std::vector<BeamSearch> searches;
  searches.reserve(jobs.size());
  std::vector<std::size_t> active;
  for (const Job& job : jobs) {
    const std::int64_t max_len_of_job = max_len(*job.source, options);
    longest = std::max(longest, max_len_of_job);
    active.push_back(searches.size());
    searches.emplace_back(options, symbols_, max_len_of_job, *job.prefix, *job.draws);
  }
  const Positions::Table positions = decoder_.positions().first(longest + 1);
  StateCache cache(decoder_.bytes_per_slot());
  const std::int64_t size = output.size();
  const std::int64_t at_once = std::max(logits_at_once / size / words_at_least, std::int64_t{1}) * words_at_least;

  while (!active.empty()) {
    std::vector<LastWord> words;
    std::vector<Question> questions;
    for (const std::size_t i : active)
      for (BeamSearch::Beam& beam : searches[i].beams()) {
        questions.push_back(searches[i].question(beam));
        beam.slots.push_back(cache.take());
        words.push_back({beam.tokens.empty() ? symbols_.eos : beam.tokens.back(), &beam.slots, &memories[i]});
      }
    const float* states = decoder_.step(words, positions, cache, scratch);
    const auto rows = static_cast<std::int64_t>(words.size());
    const std::int64_t dim = decoder_.dim();
    std::vector<std::vector<Scored>> answers(words.size());
    for (std::int64_t first = 0; first < rows; first += at_once) {
      const std::int64_t count = std::min(at_once, rows - first);
      float* logits = output.logits(states + first * dim, count, scratch);
      for (std::int64_t row = 0; row < count; ++row)
        answers[first + row] = next_words(logits + row * size, output, questions[first + row], options, symbols_);
    }
    const std::vector<Scored>* answer = answers.data();
    std::vector<std::size_t> still_active;
    for (const std::size_t i : active) {
      const std::size_t beams = searches[i].beams().size();
      searches[i].advance(answer, cache);
      answer += beams;
      if (!searches[i].finished()) still_active.push_back(i);
    }
    active = std::move(still_active);
  }
  for (std::size_t i = 0; i < jobs.size(); ++i) *jobs[i].result = searches[i].result();
}

std::unique_ptr<Scratch> Model::borrow_scratch() const {
  const std::lock_guard<std::mutex> lock(idle_mutex_);
  if (idle_.empty()) return std::make_unique<Scratch>();
  std::unique_ptr<Scratch> scratch = std::move(idle_.back());
  idle_.pop_back();
  return scratch;
}

void Model::return_scratch(std::unique_ptr<Scratch> scratch) const {
  const std::lock_guard<std::mutex> lock(idle_mutex_);
  idle_.push_back(std::move(scratch));
}

}  // namespace nmt_prune
