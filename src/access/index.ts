export { type AuthenticateUserInput, authenticateUser } from './authenticate.ts'
export { USER_ROLES, type UserRole } from './schema.ts'
export type { User } from './user-input.ts'
export {
  type CreateUserInput,
  createUser,
  findUserByEmail,
  getUser,
  type ListUsersInput,
  listUsers,
  type SetUserActiveInput,
  type SetUserPasswordInput,
  type SetUserRoleInput,
  setUserActive,
  setUserPassword,
  setUserRole,
  type UnlockUserInput,
  type UserKey,
  unlockUser,
} from './users.ts'
