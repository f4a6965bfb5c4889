import js from '@eslint/js';
import nx from '@nx/eslint-plugin';
import tseslint from 'typescript-eslint';

const pureMessage = 'libs/run and libs/run-views are pure: no clock, no randomness, no platform.';

export default tseslint.config(
  { ignores: ['**/dist/**', '**/node_modules/**', 'proto/generated/**', '.nx/**', '**/fixtures/**'] },
  js.configs.recommended,
  ...tseslint.configs.recommendedTypeChecked.map((config) => ({ ...config, files: ['**/*.ts'] })),
  {
    files: ['**/*.ts'],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { '@nx': nx },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: false }],
      'max-lines-per-function': ['error', { max: 60, skipBlankLines: true, skipComments: true }],
      'max-params': ['error', 5],
      '@nx/enforce-module-boundaries': [
        'error',
        {
          enforceBuildableLibDependency: false,
          allow: [],
          depConstraints: [
            { sourceTag: 'layer:domain', onlyDependOnLibsWithTags: [], allowedExternalImports: [] },
            { sourceTag: 'layer:harness', onlyDependOnLibsWithTags: [], allowedExternalImports: ['node:*'] },
            { sourceTag: 'layer:proto', onlyDependOnLibsWithTags: [] },
            { sourceTag: 'layer:fold', onlyDependOnLibsWithTags: ['layer:domain', 'layer:proto'] },
            { sourceTag: 'layer:adapter', onlyDependOnLibsWithTags: ['layer:domain', 'layer:fold'] },
            {
              sourceTag: 'layer:host',
              onlyDependOnLibsWithTags: ['layer:domain', 'layer:fold', 'layer:adapter'],
            },
            {
              sourceTag: 'layer:service',
              onlyDependOnLibsWithTags: [
                'layer:domain',
                'layer:harness',
                'layer:fold',
                'layer:adapter',
                'layer:host',
              ],
            },
            {
              sourceTag: 'layer:composition',
              onlyDependOnLibsWithTags: [
                'layer:domain',
                'layer:fold',
                'layer:adapter',
                'layer:host',
                'layer:servers',
                'layer:service',
                'layer:proto',
              ],
            },
            { sourceTag: 'layer:client', onlyDependOnLibsWithTags: ['layer:proto'] },
            { sourceTag: 'layer:client-app', onlyDependOnLibsWithTags: ['layer:client'] },
            { sourceTag: 'layer:servers', onlyDependOnLibsWithTags: [] },
            { sourceTag: 'layer:testkit', onlyDependOnLibsWithTags: ['layer:servers'] },
            {
              sourceTag: 'layer:simulation',
              onlyDependOnLibsWithTags: ['layer:domain', 'layer:fold', 'layer:adapter'],
            },
          ],
        },
      ],
    },
  },
  {
    files: ['libs/run/src/**/*.ts', 'libs/run-views/src/**/*.ts'],
    rules: {
      'no-restricted-imports': ['error', { patterns: [{ group: ['node:*'], message: pureMessage }] }],
      'no-restricted-globals': [
        'error',
        ...['Date', 'process', 'Buffer', 'crypto', 'performance', 'setTimeout', 'setInterval', 'fetch'].map(
          (name) => ({ name, message: pureMessage }),
        ),
      ],
      'no-restricted-properties': ['error', { object: 'Math', property: 'random', message: pureMessage }],
    },
  },
  {
    // A spec may reach any library (testkit included) and is long where a story is long.
    files: ['**/test/**/*.ts'],
    rules: {
      '@nx/enforce-module-boundaries': 'off',
      'max-lines-per-function': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
    },
  },
  {
    files: ['**/*.mjs'],
    languageOptions: {
      globals: {
        process: 'readonly',
        console: 'readonly',
        URL: 'readonly',
        setTimeout: 'readonly',
        clearTimeout: 'readonly',
        setInterval: 'readonly',
        clearInterval: 'readonly',
        fetch: 'readonly',
        Buffer: 'readonly',
      },
    },
  },
);
