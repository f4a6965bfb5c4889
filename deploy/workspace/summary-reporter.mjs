import { writeSync } from 'node:fs';

/** Ends a test run with one line, `N passed, N failed`, for whoever reads the output by machine. */
export default class SummaryReporter {
  onRunComplete(_contexts, results) {
    // A file that could not even be loaded has no tests to count, and is a failure all the same.
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
    // At the very end: Jest's own summary comes after that of other reporters.
    process.once('exit', () => writeSync(1, `${results.numPassedTests} passed, ${failed} failed\n`));
  }
}
