// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title A token with roles: holders of `MINTER_ROLE` may mint.
/// @notice WRITTEN FOR DRILLS. Sound; in the zoo its administrator's key is stolen.
contract ZooRoleToken is ERC20, AccessControl {
    bytes32 public constant MINTER_ROLE = keccak256("MINTER_ROLE");

    /// @param admin Grants roles, and mints from the beginning.
    constructor(address admin) ERC20("Zoo Role Token", "zROLE") {
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
        _grantRole(MINTER_ROLE, admin);
    }

    /// @notice Makes `amount` new tokens for `to`.
    function mint(address to, uint256 amount) external onlyRole(MINTER_ROLE) {
        _mint(to, amount);
    }
}

/// @title A token of which every function is a different old mistake.
/// @notice WRITTEN FOR DRILLS. The flaws: `batchTransfer` multiplies unchecked, `destroy` burns anybody's tokens,
/// `rescue` mints for anybody.
contract ZooFlawedToken {
    string public constant name = "Zoo Flawed Token";
    string public constant symbol = "zFLAW";
    uint8 public constant decimals = 18;

    uint256 public totalSupply;
    mapping(address account => uint256 amount) public balanceOf;
    mapping(address account => mapping(address spender => uint256 amount)) public allowance;

    /// @notice `value` went from `from` to `to`.
    event Transfer(address indexed from, address indexed to, uint256 value);

    /// @notice `spender` may take `value` of `owner`.
    event Approval(address indexed owner, address indexed spender, uint256 value);

    /// @notice `account` has `held`, less than the `wanted` that is asked for.
    error ZooFlawedTokenTooLittle(address account, uint256 held, uint256 wanted);

    /// @param holder Gets the whole supply.
    constructor(address holder, uint256 supply) {
        _mint(holder, supply);
    }

    /// @notice As ERC-20.
    function transfer(address to, uint256 amount) external returns (bool) {
        _move(msg.sender, to, amount);
        return true;
    }

    /// @notice As ERC-20.
    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        emit Approval(msg.sender, spender, amount);
        return true;
    }

    /// @notice As ERC-20.
    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        allowance[from][msg.sender] -= amount;
        _move(from, to, amount);
        return true;
    }

    /// @notice Sends `amount` to each of `recipients`. The flaw: the product may overflow.
    function batchTransfer(address[] calldata recipients, uint256 amount) external {
        uint256 total;
        unchecked {
            total = recipients.length * amount;
        }
        if (balanceOf[msg.sender] < total) revert ZooFlawedTokenTooLittle(msg.sender, balanceOf[msg.sender], total);
        balanceOf[msg.sender] -= total;
        for (uint256 index = 0; index < recipients.length; index++) {
            balanceOf[recipients[index]] += amount;
            emit Transfer(msg.sender, recipients[index], amount);
        }
    }

    /// @notice Burns `amount` of `account`. The flaw: anybody may.
    function destroy(address account, uint256 amount) external {
        balanceOf[account] -= amount;
        totalSupply -= amount;
        emit Transfer(account, address(0), amount);
    }

    /// @notice Meant for a migration. The flaw: anybody may mint.
    function rescue(address to, uint256 amount) external {
        _mint(to, amount);
    }

    /// @dev Effects: supply, one balance, one event.
    function _mint(address to, uint256 amount) internal {
        totalSupply += amount;
        balanceOf[to] += amount;
        emit Transfer(address(0), to, amount);
    }

    /// @dev Effects: two balances, one event.
    function _move(address from, address to, uint256 amount) internal {
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
        emit Transfer(from, to, amount);
    }
}
